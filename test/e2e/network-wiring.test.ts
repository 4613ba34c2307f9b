/** Bridges, and containers in them. */
import { beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatPrefix } from "../../src/engine/network/ipam/address.ts";
import { until } from "../support/daemon.ts";
import { endpointRecord, networkRecord, sandboxRecord } from "../support/wiring.ts";
import {
  addresses,
  container,
  folder,
  fresh,
  inside,
  links,
  made,
  OWNER,
  ping,
  run,
  useWiring,
  wiring,
} from "./wiring-harness.ts";

useWiring();

test("links are removed together, whatever they are, and no others", async () => {
  const before = Object.keys(await links());
  await using other = await made(networkRecord("other", 99));
  for (let n = 1; n <= 20; n++) await wiring.createNetwork(networkRecord(`many${n}`, n));
  await run(["ip", "link", "add", "many-a", "type", "veth", "peer", "name", "many-b"]);
  const names = Object.keys(await links()).filter((name) => !before.includes(name) && name !== other.link);
  expect(names).toHaveLength(22);
  await Promise.all([...names, names[0]!, "absent"].map((name) => wiring.removeLink(name)));
  expect(Object.keys(await links())).toEqual([...before, other.link]);
});

test("a prefix is in use for as long as one route leads there, whatever else the routes differ in", async () => {
  const lan = "192.0.2.";
  const prefix = "10.77.0.0/16";
  const route = async (verb: string, ...more: string[]): Promise<void> => {
    expect(await run(["ip", "route", verb, prefix, "dev", "lan", ...more])).toMatchObject({ status: 0 });
  };
  const used = (): boolean => [...wiring.hostPrefixes()].map(formatPrefix).includes(prefix);
  expect(used()).toBe(false);
  const source = addresses((await links()).lan).find((address) => address.startsWith(lan))!;
  for (const more of [
    ["table", "77"],
    ["tos", "0x10"],
    ["proto", "static"],
    ["src", source.split("/")[0]!],
  ]) {
    await route("add");
    await route("append", ...more);
    expect(used()).toBe(true);
    await route("del", ...more);
    expect([more, used()]).toEqual([more, true]);
    await route("del");
    expect(used()).toBe(false);
  }
});

describe("a bridge network", () => {
  test("has a bridge with the gateways' addresses, a MAC of its own and our mark, and leaves nothing", async () => {
    const before = Object.keys(await links());
    {
      await using network = await made(
        networkRecord("a", 1, { enableIPv6: true, options: { "com.docker.network.driver.mtu": "1400" } }),
      );
      const bridge = (await links())[network.link]!;
      expect(bridge).toMatchObject({ mtu: 1400, ifalias: OWNER, linkinfo: { info_kind: "bridge" } });
      expect(bridge.linkinfo!.info_data).toMatchObject({ mcast_snooping: 0 });
      expect(bridge.flags).toContain("UP");
      expect(addresses(bridge)).toContain("10.88.1.1/24");
      expect(bridge.addr_info.find(({ local }) => local === "fd00:88:1::1")).toMatchObject({
        prefixlen: 64,
        nodad: true,
      });
      expect(Number.parseInt(bridge.address.slice(0, 2), 16) & 3).toBe(2);
      expect(wiring.ownerOf(network.link)).toBe("ours");
      expect(wiring.addressesOf(network.link)).toContain("10.88.1.1/24");
      const prefixes = [...wiring.hostPrefixes()].map(formatPrefix);
      expect(prefixes).toEqual(
        expect.arrayContaining(["10.88.1.0/24", "fd00:88:1::/64", "192.0.2.0/24", "2001:db8::/64"]),
      );
      expect(prefixes.filter((prefix) => /^fe80|\/0$/.test(prefix))).toEqual([]);
    }
    expect(Object.keys(await links())).toEqual(before);
  });

  test("made twice is the same bridge; a changed gateway replaces the address, what others added stays off", async () => {
    await using network = await made(networkRecord("a", 1));
    const first = (await links())[network.link]!.address;
    await run(["ip", "addr", "add", "10.99.0.1/24", "dev", network.link]);
    const [pool] = network.ipam.pools;
    const moved = { ...network, ipam: { ...network.ipam, pools: [{ ...pool!, gateway: "10.88.1.254" }] } };
    await fresh().createNetwork(moved);
    const bridge = (await links())[network.link]!;
    expect(bridge.address).toBe(first);
    expect(addresses(bridge).filter((address) => !address.startsWith("fe80"))).toEqual(["10.88.1.254/24"]);
  });

  test("uses a bridge of the user's and leaves it, with its addresses", async () => {
    await run(["ip", "link", "add", "mine", "type", "bridge"]);
    await run(["ip", "addr", "add", "10.99.0.1/24", "dev", "mine"]);
    {
      await using _ = await made(networkRecord("a", 1, { link: "mine" }));
      expect(wiring.ownerOf("mine")).toBe("other");
      expect(addresses((await links()).mine)).toEqual(
        expect.arrayContaining(["10.99.0.1/24", "10.88.1.1/24"]),
      );
    }
    expect((await links()).mine).toBeDefined();
    await wiring.removeLink("mine");
    expect((await links()).mine).toBeUndefined();
  });

  test("says that a link of another kind is no bridge", async () => {
    await expect(wiring.createNetwork(networkRecord("a", 1, { link: "lan" }))).rejects.toThrow(
      "existing interface lan is not a bridge",
    );
  });

  test("gives the host no address where it is to have none: inhibited, isolated", async () => {
    const bridge = "com.docker.network.bridge";
    for (const [name, options] of [
      ["a", { [`${bridge}.inhibit_ipv4`]: "true" }],
      ["b", { [`${bridge}.gateway_mode_ipv4`]: "isolated", [`${bridge}.gateway_mode_ipv6`]: "isolated" }],
    ] as const) {
      await using network = await made(networkRecord(name, 1, { options, enableIPv6: true, internal: true }));
      const found = addresses((await links())[network.link]);
      expect(found.filter((address) => address.startsWith("10."))).toEqual([]);
      expect(found.some((address) => address.includes(":"))).toBe(name === "a");
    }
  });
});

describe("a container in a bridge network", () => {
  test("has lo and its link, up, with addresses, MAC, MTU and a default route", async () => {
    await using network = await made(
      networkRecord("a", 1, { enableIPv6: true, options: { "com.docker.network.driver.mtu": "1400" } }),
    );
    const endpoint = endpointRecord(network, 2, { linkLocal: ["169.254.7.7/16"] });
    await using sandbox = await container("one", network, endpoint);
    const { lo, eth0, ...others } = await links(sandbox);
    expect(others).toEqual({});
    expect(lo!.flags).toContain("UP");
    expect(eth0).toMatchObject({ mtu: 1400, address: endpoint.mac, linkinfo: { info_kind: "veth" } });
    expect(eth0!.addr_info).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          local: "10.88.1.2",
          prefixlen: 24,
          broadcast: "10.88.1.255",
          scope: "global",
        }),
        expect.objectContaining({ local: "fd00:88:1::2", prefixlen: 64, nodad: true }),
        expect.objectContaining({ local: "169.254.7.7", prefixlen: 16 }),
      ]),
    );
    const end = (await links())[endpoint.hostLink]!;
    expect(end).toMatchObject({ mtu: 1400, master: network.link, ifalias: OWNER, addr_info: [] });
    expect((await inside(sandbox, "ip", "route")).output).toStartWith("default via 10.88.1.1 dev eth0");
    expect((await inside(sandbox, "ip", "-6", "route")).output).toContain(
      "default via fd00:88:1::1 dev eth0",
    );
    expect(await ping(sandbox, "10.88.1.1")).toBe(true);
    expect(await ping(sandbox, "fd00:88:1::1")).toBe(true);
  });

  test("reaches others by IPv4 and IPv6 with its first packet, at the full MTU", async () => {
    await using network = await made(networkRecord("a", 1, { enableIPv6: true }));
    await using one = await container("one", network, endpointRecord(network, 2));
    await using _ = await container("two", network, endpointRecord(network, 3));
    expect(await ping(one, "10.88.1.3")).toBe(true);
    expect(await ping(one, "fd00:88:1::3")).toBe(true);
    const full = await inside(one, "busybox", "ping", "-c1", "-W1", "-s", "1472", "10.88.1.3");
    expect(full.status).toBe(0);
  });

  test("has no IPv6 at all where its network has none", async () => {
    await using network = await made(networkRecord("a", 1));
    await using sandbox = await container("one", network, endpointRecord(network, 2));
    const { eth0, lo } = await links(sandbox);
    expect(addresses(eth0)).toEqual(["10.88.1.2/24"]);
    expect(addresses(lo)).toContain("::1/128");
  });

  test("has the name and the sysctls that its endpoint asks for, which are its link's alone", async () => {
    await using network = await made(networkRecord("a", 1));
    const endpoint = endpointRecord(network, 2, {
      link: "front",
      driverOpts: { "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1" },
    });
    await using sandbox = await container("one", network, endpoint);
    const read = (link: string) => inside(sandbox, "cat", `/proc/sys/net/ipv4/conf/${link}/log_martians`);
    expect([(await read("front")).output, (await read("lo")).output]).toEqual(["1", "0"]);
    expect(Object.keys(await links(sandbox))).toEqual(["lo", "front"]);
  });

  test("asking for a sysctl that is none fails and says which", async () => {
    await using network = await made(networkRecord("a", 1));
    const endpoint = endpointRecord(network, 2, {
      driverOpts: { "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.no_such=1" },
    });
    await expect(container("one", network, endpoint)).rejects.toThrow(
      "set net/ipv4/conf/eth0/no_such to 1: no such file or directory",
    );
    await wiring.removeSandbox(sandboxRecord(folder, "one"), [endpoint]);
  });

  test("may be wired twice, also by a daemon that knows nothing, and never loses a packet for it", async () => {
    await using network = await made(networkRecord("a", 1));
    const endpoint = endpointRecord(network, 2);
    await using sandbox = await container("one", network, endpoint);
    const pinging = inside(sandbox, "busybox", "ping", "-c20", "-i0.01", "-W1", "10.88.1.1");
    const before = (await links(sandbox)).eth0;
    for (const again of [wiring, fresh()]) {
      await again.createNetwork(network);
      await again.createSandbox(sandbox);
      await again.attach(sandbox, network, endpoint);
      await again.setDefaultRoutes(sandbox, { four: endpoint });
    }
    expect((await links(sandbox)).eth0).toEqual(before!);
    expect((await pinging).output).toContain("20 packets received");
  });

  test("is refused a link whose name is another's", async () => {
    await using network = await made(networkRecord("a", 1));
    await using other = await made(networkRecord("b", 2));
    await using sandbox = await container("one", network, endpointRecord(network, 2));
    await expect(wiring.attach(sandbox, other, endpointRecord(other, 2))).rejects.toThrow(
      "link eth0 already exists",
    );
    expect(await ping(sandbox, "10.88.1.1")).toBe(true);
  });

  test("is refused a second link whose subnet is the first's, and has the first alone", async () => {
    await using network = await made(networkRecord("a", 1));
    await using same = await made(networkRecord("b", 1));
    await using sandbox = await container("one", network, endpointRecord(network, 2));
    const second = endpointRecord(same, 3, { link: "eth1" });
    await expect(wiring.attach(sandbox, same, second)).rejects.toThrow(
      "cannot program address 10.88.1.3/24 in sandbox interface because it conflicts with existing route 10.88.1.0/24",
    );
    await wiring.detach(sandbox, same, second);
    expect(Object.keys(await links(sandbox))).toEqual(["lo", "eth0"]);
  });

  test("gains and loses a network while it runs; the default route is whose it is said to be", async () => {
    await using first = await made(networkRecord("a", 1));
    await using second = await made(networkRecord("b", 2));
    const [one, two] = [endpointRecord(first, 2), endpointRecord(second, 2, { link: "eth1" })];
    await using sandbox = await container("one", first, one);
    await wiring.attach(sandbox, second, two);
    await wiring.setDefaultRoutes(sandbox, { four: two });
    const route = async () => (await inside(sandbox, "ip", "route", "show", "default")).output.trim();
    expect(await route()).toBe("default via 10.88.2.1 dev eth1");
    expect([await ping(sandbox, "10.88.1.1"), await ping(sandbox, "10.88.2.1")]).toEqual([true, true]);
    await wiring.detach(sandbox, second, two);
    expect(Object.keys(await links(sandbox))).toEqual(["lo", "eth0"]);
    expect((await links())[two.hostLink]).toBeUndefined();
    await wiring.setDefaultRoutes(sandbox, { four: one });
    expect(await route()).toBe("default via 10.88.1.1 dev eth0");
    await wiring.setDefaultRoutes(sandbox, {});
    expect(await route()).toBe("");
  });

  test("that takes a dead one's address is known to its neighbours soon, though its MAC is another", async () => {
    await using network = await made(networkRecord("a", 1, { enableIPv6: true }));
    await using watcher = await container("watcher", network, endpointRecord(network, 2));
    const reach = async () => [
      await ping(watcher, "10.88.1.3"),
      await ping(watcher, "fd00:88:1::3"),
      (await run(["busybox", "ping", "-c1", "-W1", "10.88.1.3"])).status === 0,
      (await run(["busybox", "ping", "-c1", "-W1", "fd00:88:1::3"])).status === 0,
    ];
    {
      await using _ = await container("first", network, endpointRecord(network, 3));
      expect(await reach()).toEqual([true, true, true, true]);
    }
    const second = endpointRecord(network, 3);
    await using _ = await container("second", network, second);
    // Whoever remembers another MAC asks for it again after 15 s at the earliest.
    const known = async () => {
      const { output } = await inside(watcher, "ip", "-j", "neigh");
      const neighbours: { dst: string; lladdr?: string }[] = JSON.parse(output);
      return ["10.88.1.3", "fd00:88:1::3"].every((address) =>
        neighbours.some(({ dst, lladdr }) => dst === address && lladdr === second.mac),
      );
    };
    await until(known, "the neighbours to know the new MAC", 10_000);
    expect(await reach()).toEqual([true, true, true, true]);
  }, 20_000);

  test("that ends is off the bridge at once, and its links go by themselves", async () => {
    await using network = await made(networkRecord("a", 1));
    await using watcher = await container("watcher", network, endpointRecord(network, 2));
    const endpoint = endpointRecord(network, 3);
    const sandbox = await container("one", network, endpoint);
    const words = ["nsenter", `--net=${sandbox.path}`, "sh", "-c", "echo there; exec sleep 60"];
    const holding = Bun.spawn(words, { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await holding.stdout.getReader().read();
      expect(await ping(watcher, "10.88.1.3")).toBe(true);
      await wiring.removeSandbox(sandbox, [endpoint]);
      expect(existsSync(sandbox.path)).toBe(false);
      // Somebody is still in the namespace, and its addresses are there: but nothing leads to it.
      expect(await ping(watcher, "10.88.1.3")).toBe(false);
      await until(async () => !(await links())[endpoint.hostLink], "the link of a namespace that is held");
    } finally {
      holding.kill();
      await holding.exited;
    }
  });

  test("that ends leaves no end on the host, also if nobody sees its namespace any more", async () => {
    await using network = await made(networkRecord("a", 1));
    const endpoint = endpointRecord(network, 2);
    const sandbox = await container("one", network, endpoint);
    const words = ["nsenter", `--net=${sandbox.path}`, "sh", "-c", "echo there; exec sleep 60"];
    const holding = Bun.spawn(words, { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await holding.stdout.getReader().read();
      await run(["umount", "-l", sandbox.path]);
      await fresh().removeSandbox(sandbox, [endpoint]);
      expect((await links())[endpoint.hostLink]).toBeUndefined();
      expect(existsSync(sandbox.path)).toBe(false);
    } finally {
      holding.kill();
      await holding.exited;
    }
  });

  test("has names redirected to where they are answered, and its own port 53 free", async () => {
    const sandbox = sandboxRecord(folder, "one");
    await wiring.createSandbox(sandbox);
    try {
      const names = { udp: 40001, tcp: 40002 };
      // Later, and twice: connected live to a network that has names.
      await wiring.createSandbox({ ...sandbox, names });
      await wiring.createSandbox({ ...sandbox, names });
      const server = `
        const got = await Bun.udpSocket({ hostname: "127.0.0.11", port: 40001, socket: {
          data(socket, data, port, address) { socket.send("answer to " + data, port, address); } } });
        Bun.listen({ hostname: "127.0.0.11", port: 40002, socket: { data(socket) { socket.end("stream"); } } });
        await Bun.udpSocket({ hostname: "0.0.0.0", port: 53 });
        console.log("ready");
        for await (const _ of console) process.exit(0);`;
      const client = `
        const socket = await Bun.udpSocket({ socket: { data(_, data, port, address) {
          console.log(String(data), port, address);
          Bun.connect({ hostname: "127.0.0.11", port: 53, socket: {
            open(stream) { stream.write("?"); }, data(_, bytes) { console.log(String(bytes)); process.exit(0); } } });
        } } });
        socket.send("question", 53, "127.0.0.11");`;
      const answering = Bun.spawn(["nsenter", `--net=${sandbox.path}`, process.execPath, "-e", server], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      try {
        await answering.stdout.getReader().read();
        const { output } = await inside(sandbox, "timeout", "5", process.execPath, "-e", client);
        expect(output).toBe("answer to question 53 127.0.0.11\nstream");
      } finally {
        answering.kill();
        await answering.exited;
      }
    } finally {
      await wiring.removeSandbox(sandbox);
    }
  });
});

describe("after a crash", () => {
  beforeEach(() => until(() => wiring.links().length === 0, "what ended before to go"));

  test("what is ours is found by its mark and its folder, and nothing else is", async () => {
    const network = networkRecord("a", 1);
    await wiring.createNetwork(network);
    const endpoint = endpointRecord(network, 2);
    const sandbox = sandboxRecord(folder, "one");
    await wiring.createSandbox(sandbox);
    await wiring.attach(sandbox, network, endpoint);
    const next = fresh();
    expect(next.links().sort()).toEqual([network.link, endpoint.hostLink].sort());
    expect(next.sandboxes()).toEqual([sandbox.path]);
    await next.removeSandbox(sandbox);
    await Promise.all(next.links().map((link) => next.removeLink(link)));
    expect([next.links(), next.sandboxes()]).toEqual([[], []]);
    await next.removeLink(endpoint.hostLink);
    await next.removeSandbox(sandbox, [endpoint]);
  });

  test("many that end one after the other leave neither links nor descriptors", async () => {
    await using network = await made(networkRecord("a", 1));
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    // What is kept open for as long as the daemon runs is open after the first.
    const start = (n: number) => container(`many${n}`, network, endpointRecord(network, 2));
    await (await start(0))[Symbol.asyncDispose]();
    await until(() => wiring.links().length === 1, "the first to go");
    const before = descriptors();
    for (let n = 1; n <= 80; n++) await (await start(n))[Symbol.asyncDispose]();
    expect(wiring.sandboxes()).toEqual([]);
    await until(() => wiring.links().length === 1, "all of them to go");
    expect(wiring.links()).toEqual([network.link]);
    await until(() => descriptors() <= before, "their namespaces to be let go");
  });

  test("a file in a sandbox's place, left before it was pinned, does not hinder it", async () => {
    const sandbox = sandboxRecord(folder, "one");
    writeFileSync(sandbox.path, "");
    await wiring.createSandbox(sandbox);
    expect(Object.keys(await links(sandbox))).toEqual(["lo"]);
    await wiring.removeSandbox(sandbox);
    expect([existsSync(sandbox.path), readdirSync(join(folder, "netns"))]).toEqual([false, []]);
  });
});
