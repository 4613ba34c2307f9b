/** Containers on a parent: macvlan and ipvlan. What this kernel lacks is tested in the booted machine (test/vm/networks). */
import { describe, expect, test } from "bun:test";
import type { NetworkRecord } from "../../src/engine/network/types.ts";
import { until } from "../support/daemon.ts";
import { endpointRecord, networkRecord, sandboxRecord } from "../support/wiring.ts";
import {
  container,
  folder,
  hosts,
  inside,
  links,
  made,
  OWNER,
  PING,
  ping,
  run,
  useWiring,
  wiring,
} from "./wiring-harness.ts";

useWiring();

describe("macvlan and ipvlan", () => {
  const macvlan = (more: Partial<NetworkRecord> = {}): NetworkRecord => ({
    ...networkRecord("mac", 0, { driver: "macvlan", link: "lan", ...more }),
    ipam: {
      driver: "default",
      options: null,
      pools: [
        { subnet: "192.0.2.0/24", gateway: "192.0.2.2" },
        { subnet: "2001:db8::/64", gateway: "2001:db8::2" },
      ],
    },
    enableIPv6: true,
  });

  const has = async (...words: string[]): Promise<boolean> => {
    const { status } = await run(["ip", "link", "add", ...words]);
    await run(["ip", "link", "del", "probe"]);
    return status === 0;
  };

  test("macvlan puts containers on the parent's own lan, where other hosts reach them", async () => {
    for (const mode of ["bridge", "private", "vepa"]) {
      await using network = await made(macvlan({ options: { parent: "lan", macvlan_mode: mode } }));
      const [one, two] = [endpointRecord(network, 50), endpointRecord(network, 51)];
      await using sandbox = await container("one", network, one);
      await using _ = await container("two", network, two);
      const { eth0 } = await links(sandbox);
      expect(eth0).toMatchObject({
        address: one.mac,
        linkinfo: { info_kind: "macvlan", info_data: { mode } },
      });
      const { remote } = hosts.host;
      expect(await ping(sandbox, remote.ipv4, 3)).toBe(true);
      expect(await ping(sandbox, remote.ipv6, 3)).toBe(true);
      expect((await remote.run(...PING, "192.0.2.50")).status).toBe(0);
      expect(await ping(sandbox, "192.0.2.51")).toBe(mode === "bridge");
      expect((await inside(sandbox, "ip", "route")).output).toContain("default via 192.0.2.2 dev eth0");
    }
    expect(wiring.ownerOf("lan")).toBe("other");
  });

  test("macvlan is announced on the parent's lan", async () => {
    await using network = await made(macvlan());
    await using capture = await hosts.host.remote.capture("lan", "arp or icmp6");
    const endpoint = endpointRecord(network, 52);
    await using _ = await container("one", network, endpoint);
    await capture.saw(/Request who-has 192\.0\.2\.52 .*tell 192\.0\.2\.52/);
    await capture.saw(/2001:db8::34 > ff02::1: ICMP6, neighbor advertisement, tgt is 2001:db8::34/);
  });

  test("a parent is free for a link of any mode as soon as the container before has ended", async () => {
    for (const mode of ["passthru", "passthru", "bridge", "passthru", "vepa"]) {
      await using network = await made(macvlan({ options: { parent: "lan", macvlan_mode: mode } }));
      await using sandbox = await container("one", network, endpointRecord(network, 56));
      expect((await links(sandbox)).eth0!.linkinfo!.info_data).toMatchObject({ mode });
    }
    if (!(await has("link", "lan", "name", "probe", "type", "ipvlan"))) return;
    for (const driver of ["ipvlan", "macvlan", "ipvlan"] as const) {
      await using network = await made(macvlan({ driver }));
      const endpoint = endpointRecord(network, 56, driver === "ipvlan" ? { mac: "" } : {});
      await using sandbox = await container("one", network, endpoint);
      expect((await links(sandbox)).eth0!.linkinfo!.info_kind).toBe(driver);
    }
  });

  test("a parent that is down stays so, and what is on it works when it comes up", async () => {
    const { remote } = hosts.host;
    await using network = await made(macvlan());
    await run(["ip", "link", "set", "lan", "down"]);
    try {
      await using sandbox = await container("one", network, endpointRecord(network, 55));
      expect((await links()).lan!.flags).not.toContain("UP");
      expect((await links(sandbox)).eth0!.flags).toContain("UP");
      await run(["ip", "link", "set", "lan", "up"]);
      await until(() => ping(sandbox, remote.ipv4), "the parent to carry packets");
    } finally {
      await run(["ip", "link", "set", "lan", "up"]);
      // The kernel took it away with the link.
      const { ipv6 } = hosts.host.engine;
      await run(["ip", "addr", "replace", `${ipv6}/64`, "dev", "lan", "nodad"]);
    }
  });

  test("macvlan leaves a running sandbox when it is told to", async () => {
    await using network = await made(macvlan());
    const endpoint = endpointRecord(network, 53);
    await using sandbox = await container("one", network, endpoint);
    await wiring.detach(sandbox, network, endpoint);
    await wiring.detach(sandbox, network, endpoint);
    expect(Object.keys(await links(sandbox))).toEqual(["lo"]);
  });

  test("a parent may be said by another name that it has, however long", async () => {
    const link = "a-name-as-udev-gives-them";
    await run(["ip", "link", "property", "add", "dev", "lan", "altname", link]);
    try {
      await using network = await made(macvlan({ link }));
      await using sandbox = await container("one", network, endpointRecord(network, 57));
      expect(await ping(sandbox, hosts.host.remote.ipv4, 3)).toBe(true);
    } finally {
      await run(["ip", "link", "property", "del", "dev", "lan", "altname", link]);
    }
  });

  test.each([
    ["nowhere", "invalid subinterface vlan name nowhere, example formatting is eth0.10"],
    ["lan.5000", "vlan id must be between 1-4094, received: 5000"],
    ["lan.x", "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)"],
    ["a-name-of-16-char", "invalid subinterface vlan name a-name-of-16-char, example formatting is eth0.10"],
    ["n".repeat(200), `invalid subinterface vlan name ${"n".repeat(200)}, example formatting is eth0.10`],
    ["lan.000000000050", "failed to create lan.000000000050 vlan link: numerical result out of range"],
    ["nowhere.5", "-o parent interface was not found on the host: nowhere"],
    [
      "a.b.c",
      "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received a.b.c",
    ],
  ])("a parent %s is refused in Docker's words", async (link, message) => {
    await expect(wiring.createNetwork(macvlan({ link }))).rejects.toThrow(message);
  });

  const dummy = (network: NetworkRecord): NetworkRecord => ({
    ...network,
    link: `dm-${network.id.slice(0, 12)}`,
    ownsLink: true,
  });

  test("a VLAN of the parent is made, is ours and goes with the network; or the kernel has none and we say so", async () => {
    const network = macvlan({ link: "lan.50", ownsLink: true });
    if (await has("link", "lan", "name", "probe", "type", "vlan", "id", "7")) {
      await wiring.createNetwork(network);
      expect((await links())["lan.50"]).toMatchObject({
        ifalias: OWNER,
        linkinfo: { info_kind: "vlan", info_data: { id: 50 } },
      });
      await wiring.removeNetwork(network);
      expect((await links())["lan.50"]).toBeUndefined();
    } else {
      await expect(wiring.createNetwork(network)).rejects.toThrow(
        "the kernel has no vlan: create vlan lan.50",
      );
    }
  });

  test("a network without parent gets a dummy of its own; or the kernel has none and we say so", async () => {
    const network = dummy(macvlan());
    if (await has("probe", "type", "dummy")) {
      await using _ = await made(network);
      expect((await links())[network.link]).toMatchObject({
        ifalias: OWNER,
        linkinfo: { info_kind: "dummy" },
      });
    } else {
      await expect(wiring.createNetwork(network)).rejects.toThrow(
        "the kernel has no dummy: create dummy dm-",
      );
    }
    expect((await links())[network.link]).toBeUndefined();
  });

  test("ipvlan has its parent's MAC and an address of its own; or the kernel has none and we say so", async () => {
    const network = macvlan({ driver: "ipvlan", options: { ipvlan_mode: "l2" } });
    await wiring.createNetwork(network);
    const endpoint = endpointRecord(network, 54, { mac: "" });
    if (await has("link", "lan", "name", "probe", "type", "ipvlan")) {
      await using sandbox = await container("one", network, endpoint);
      expect((await links(sandbox)).eth0!.address).toBe((await links()).lan!.address);
      expect(await ping(sandbox, hosts.host.remote.ipv4, 3)).toBe(true);
    } else {
      await expect(container("one", network, endpoint)).rejects.toThrow(
        "the kernel has no ipvlan: create ipvlan eth0",
      );
      await wiring.removeSandbox(sandboxRecord(folder, "one"), [endpoint]);
    }
  });
});
