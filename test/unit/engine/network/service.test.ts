import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { dataPaths } from "../../../../src/engine/store/paths.ts";
import { Rig, refusal } from "../container/fakes.ts";

const SHARING =
  /^container sharing network namespace with another container or host cannot be connected to any other network$/;

const rigs: Rig[] = [];
afterAll(() => {
  for (const rig of rigs) rig[Symbol.dispose]();
});

async function rig(): Promise<Rig> {
  const fresh = new Rig();
  rigs.push(fresh);
  await fresh.networks.restore("engine");
  return fresh;
}

describe("predefined networks", () => {
  test("are there from the start", async () => {
    const { networks } = await rig();
    expect(networks.list({})).toMatchObject([
      { Name: "none", Driver: "null", IPAM: { Config: null } },
      { Name: "host", Driver: "host" },
      {
        Name: "bridge",
        Driver: "bridge",
        IPAM: { Config: [{ Subnet: "172.17.0.0/16", Gateway: "172.17.0.1" }] },
        Options: {
          "com.docker.network.bridge.default_bridge": "true",
          "com.docker.network.bridge.name": "tsd0",
          "com.docker.network.driver.mtu": "1500",
        },
      },
    ]);
  });

  test("cannot be made or removed", async () => {
    const { networks } = await rig();
    expect(await refusal(networks.create({ Name: "bridge" }))).toEqual([
      "forbidden",
      "operation is not permitted on predefined bridge network ",
    ]);
    expect(await refusal(networks.remove("host"))).toEqual([
      "forbidden",
      "host is a pre-defined network and cannot be removed",
    ]);
  });
});

describe("create", () => {
  test("refuses what Docker refuses, in its words", async () => {
    const { networks } = await rig();
    await networks.create({ Name: "web", Options: { "com.docker.network.bridge.name": "br-web" } });
    const ipam = (Config: object[]) => ({ Name: "x", IPAM: { Config } });
    for (const [request, kind, message] of [
      [{ Name: "" }, "invalid", "invalid name: name is empty"],
      [{ Name: "web" }, "conflict", "network with name web already exists"],
      [{ Name: "x", Driver: "nosuch" }, "notFound", 'plugin "nosuch" not found'],
      [{ Name: "x", Driver: "host" }, "forbidden", 'only one instance of "host" network is allowed'],
      [{ Name: "x", EnableIPv4: false }, "invalid", "IPv4 or IPv6 must be enabled"],
      [
        { Name: "x", Driver: "overlay" },
        "forbidden",
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
      ],
      [
        ipam([{ Subnet: "10.1.2.3/24" }]),
        "invalid",
        "invalid network config:\ninvalid subnet 10.1.2.3/24: it should be 10.1.2.0/24",
      ],
      [
        ipam([{ Subnet: "10.1.2.0/24", IPRange: "10.1.0.0/16", Gateway: "10.9.0.1" }]),
        "invalid",
        "invalid network config:\n* invalid ip-range 10.1.0.0/16: CIDR block is bigger than its parent subnet 10.1.2.0/24\n* invalid gateway 10.9.0.1: parent subnet 10.1.2.0/24 doesn't contain this address",
      ],
      [
        ipam([{ Subnet: "172.17.3.0/24" }]),
        "forbidden",
        "invalid pool request: Pool overlaps with other one on this address space",
      ],
      [
        ipam([{ Subnet: "10.1.0.0/24" }, { Subnet: "10.2.0.0/24" }]),
        "forbidden",
        "bridge driver doesn't support multiple subnets",
      ],
      [
        { Name: "x", Options: { "com.docker.network.bridge.enable_icc": "maybe" } },
        "invalid",
        'failed to parse com.docker.network.bridge.enable_icc value: maybe (strconv.ParseBool: parsing "maybe": invalid syntax)',
      ],
      [
        { Name: "x", Options: { "com.docker.network.bridge.gateway_mode_ipv4": "isolated" } },
        "internal",
        "gateway mode 'isolated' can only be used for an internal network",
      ],
      [
        { Name: "x", ConfigFrom: { Network: "nosuch" } },
        "notFound",
        'configuration network "nosuch" does not exist',
      ],
      [
        { Name: "x", ConfigOnly: true, Internal: true },
        "forbidden",
        "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
      ],
      [
        { Name: "x", Options: { "com.docker.network.bridge.name": "verylongbridgename0" } },
        "invalid",
        'invalid interface name "verylongbridgename0": it is longer than 15 bytes',
      ],
      [
        { Name: "x", Options: { "com.docker.network.bridge.name": "a/b" } },
        "invalid",
        'invalid interface name "a/b"',
      ],
      [
        { Name: "x", Driver: "macvlan", Options: { macvlan_mode: "x" } },
        "internal",
        "requested macvlan mode 'x' is not valid, 'bridge' mode is the macvlan driver default",
      ],
    ] as const) {
      expect(await refusal(networks.create(request))).toEqual([kind, message]);
    }
    const [kind, message] = await refusal(
      networks.create({ Name: "x", Options: { "com.docker.network.bridge.name": "br-web" } }),
    );
    expect([kind, message.replaceAll(/[0-9a-f]{64}/g, "ID")]).toEqual([
      "forbidden",
      "cannot create network ID (br-web): conflicts with network ID (br-web): networks have same bridge name",
    ]);
    // Nothing of what was refused was kept: the next one gets what they asked for.
    await networks.create(ipam([{ Subnet: "10.1.0.0/24" }]));
  });

  test("takes a configuration from another network", async () => {
    const { networks } = await rig();
    const Config = [{ Subnet: "10.7.0.0/24", Gateway: "10.7.0.254" }];
    await networks.create({ Name: "plan", ConfigOnly: true, IPAM: { Config }, Labels: { a: "b" } });
    await networks.create({ Name: "made", ConfigFrom: { Network: "plan" } });
    expect(networks.inspect("made")).toMatchObject({
      ConfigFrom: { Network: "plan" },
      IPAM: { Config },
      Labels: { a: "b" },
    });
    expect(await refusal(networks.remove("plan"))).toEqual([
      "forbidden",
      'error while removing network: configuration network "plan" is in use',
    ]);
    await networks.remove("made");
    await networks.remove("plan");
  });

  test("two of one name at once: one is made", async () => {
    const { networks } = await rig();
    const both = await Promise.allSettled([networks.create({ Name: "x" }), networks.create({ Name: "x" })]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });
});

describe("a container's networks", () => {
  test("are attached at start, shown, told of, and left at the end", async () => {
    const one = await rig();
    await one.networks.create({ Name: "web", IPAM: { Config: [{ Subnet: "10.99.0.0/24" }] } });
    const id = await one.create(
      {
        Hostname: "h1",
        ExposedPorts: { "80/tcp": {}, "81/tcp": {} },
        HostConfig: {
          NetworkMode: "web",
          PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "18999" }] },
        },
        NetworkingConfig: { EndpointsConfig: { web: { Aliases: ["www"] } } },
      },
      "full",
    );
    const networksOf = async () => (await one.containers.inspect(id, { size: false })).NetworkSettings;
    expect(await networksOf()).toMatchObject({
      Ports: {},
      Networks: { web: { DNSNames: null, NetworkID: "" } },
    });
    await one.containers.start(id);
    expect(one.seen.slice(-2)).toEqual(["connect", "start"]);
    const { Id } = one.networks.inspect("web") as { Id: string };
    expect(await networksOf()).toMatchObject({
      Ports: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "18999" }], "81/tcp": null },
      Networks: {
        web: {
          NetworkID: Id,
          IPAddress: "10.99.0.2",
          IPPrefixLen: 24,
          Gateway: "10.99.0.1",
          DNSNames: ["full", "www", id.slice(0, 12), "h1"],
        },
      },
    });
    expect(one.networks.inspect("web")).toMatchObject({
      Containers: { [id]: { Name: "full", IPv4Address: "10.99.0.2/24" } },
      Status: { IPAM: { Subnets: { "10.99.0.0/24": { IPsInUse: 4, DynamicIPsAvailable: 252 } } } },
    });
    expect((await refusal(one.networks.remove("web")))[1]).toMatch(
      /^error while removing network: network web has active endpoints \(name:"full" id:"[0-9a-f]{12}"\)$/,
    );
    const [launch] = one.shim.launches;
    expect(launch!.spec.linux?.namespaces?.find(({ type }) => type === "network")?.path).toEndWith(
      `/netns/${id.slice(0, 12)}`,
    );
    one.shim.end(id, 0);
    await one.containers.wait(id, "not-running", new AbortController().signal).then(({ result }) => result);
    expect(one.seen.slice(-2)).toEqual(["disconnect", "die"]);
    expect(await networksOf()).toMatchObject({
      Ports: {},
      Networks: { web: { NetworkID: Id, IPAddress: "" } },
    });
    await one.networks.remove("web");
    expect(await refusal(one.containers.start(id))).toEqual([
      "notFound",
      `failed to set up container networking: network ${Id} not found`,
    ]);
  });

  test("are connected and disconnected while it runs", async () => {
    const one = await rig();
    await one.networks.create({ Name: "back" });
    const id = await one.create({}, "c1");
    await one.containers.start(id);
    await one.containers.connectNetwork("c1", "back", { Aliases: ["db"] });
    const settings = (await one.containers.inspect(id, { size: false })).NetworkSettings.Networks;
    expect(settings).toMatchObject({
      bridge: { IPAddress: "172.17.0.2" },
      back: { IPAddress: "172.18.0.2", Aliases: ["db"], DNSNames: ["c1", "db", id.slice(0, 12)] },
    });
    expect(await refusal(one.containers.connectNetwork("c1", "back", {}))).toEqual([
      "forbidden",
      "endpoint with name c1 already exists in network back",
    ]);
    expect((await refusal(one.containers.connectNetwork("c1", "host", {})))[1]).toBe(
      "cannot connect container to host network - container must be created in host network mode",
    );
    await one.containers.disconnectNetwork("c1", "bridge", false);
    expect(Object.keys((await one.containers.inspect(id, { size: false })).NetworkSettings.Networks)).toEqual(
      ["back"],
    );
    expect(await refusal(one.containers.disconnectNetwork("c1", "bridge", false))).toEqual([
      "internal",
      `container ${id} is not connected to network bridge`,
    ]);
    await one.containers.disconnectNetwork("c1", "back", false);
    expect((await one.containers.inspect(id, { size: false })).NetworkSettings).toMatchObject({
      SandboxID: id,
      SandboxKey: expect.stringMatching(/\/netns\//),
      Networks: {},
    });
  });

  test.each<[string, string[], RegExp]>([
    ["host", ["host", "bridge"], SHARING],
    ["host", ["web"], SHARING],
    [
      "none",
      ["none", "bridge"],
      /^container cannot be connected to multiple networks with one of .* \(none\) mode$/,
    ],
    ["web", ["web", "host"], /^cannot connect container to host network - container must be created in host/],
  ])("exclude each other: %s with %p", async (NetworkMode, names, message) => {
    const one = await rig();
    await one.networks.create({ Name: "web" });
    const EndpointsConfig = Object.fromEntries(names.map((name) => [name, {}]));
    const id = await one.create({ HostConfig: { NetworkMode }, NetworkingConfig: { EndpointsConfig } });
    const [kind, said] = await refusal(one.containers.start(id));
    expect(kind).toBe("invalid");
    const prefix = "failed to set up container networking: ";
    expect(said).toStartWith(prefix);
    expect(said.slice(prefix.length)).toMatch(message);
    expect(one.shim.launches).toEqual([]);
  });

  test("open ports that are not translated for the family that was asked", async () => {
    const one = await rig();
    const Options = { "com.docker.network.bridge.gateway_mode_ipv4": "routed" };
    await one.networks.create({ Name: "plain", Options });
    const PortBindings = Object.fromEntries(
      ["", "::1", "127.0.0.1"].map((HostIp, at) => [`8${at}/tcp`, [{ HostIp, HostPort: `900${at}` }]]),
    );
    const id = await one.create({ HostConfig: { NetworkMode: "plain", PortBindings } });
    await one.containers.start(id);
    const settings: object = (await one.containers.inspect(id, { size: false })).NetworkSettings;
    const { Ports } = settings as { Ports: Record<string, unknown> };
    const open = { HostIp: "0.0.0.0", HostPort: "" };
    expect(
      Object.values(Ports).map((bindings) => JSON.stringify(bindings).includes(JSON.stringify(open))),
    ).toEqual([true, false, true]);
  });

  test("are checked when it is created", async () => {
    const one = await rig();
    await one.networks.create({ Name: "web", IPAM: { Config: [{ Subnet: "10.99.0.0/24" }] } });
    const create = (network: string, settings: object) =>
      refusal(one.create({ NetworkingConfig: { EndpointsConfig: { [network]: settings } } }));
    expect(await create("bridge", { Aliases: ["a"], IPAMConfig: { IPv4Address: "172.17.0.9" } })).toEqual([
      "invalid",
      "invalid config for network bridge: invalid endpoint settings:\n* user-specified IP address is supported on user-defined networks only\n* network-scoped aliases are only supported for user-defined networks",
    ]);
    expect((await create("web", { IPAMConfig: { IPv4Address: "10.98.0.9" } }))[1]).toBe(
      "invalid config for network web: invalid endpoint settings:\nno configured subnet contains IP address 10.98.0.9",
    );
  });

  test("are what the settings say after a crash amid connecting, or disconnecting", async () => {
    const one = await rig();
    await one.networks.create({ Name: "back" });
    await one.networks.create({ Name: "front" });
    const id = await one.create({}, "c1");
    await one.containers.start(id);
    for (const name of ["back", "front"]) await one.containers.connectNetwork("c1", name, {});
    // What there is at two moments of it: a row of something that is not whole, and settings without a row.
    const db = new Database(dataPaths(one.folder).database);
    const rows = db.query("SELECT id, record FROM endpoints").all() as { id: string; record: string }[];
    const [, back, front] = rows
      .map(({ id, record }) => ({ id, ...JSON.parse(record) }))
      .sort((a, b) => (a.link < b.link ? -1 : 1));
    const torn = JSON.stringify({ ...back, unfinished: true });
    db.query("UPDATE endpoints SET record = ? WHERE id = ?").run(torn, back.id);
    db.query("DELETE FROM endpoints WHERE id = ?").run(front.id);
    db.close();
    const two = new Rig(one);
    rigs.push(two);
    await two.containers.restore();
    await two.networks.restore("engine");
    const { Networks } = (await two.containers.inspect(id, { size: false })).NetworkSettings;
    expect(Networks).toMatchObject({
      bridge: { IPAddress: "172.17.0.2" },
      back: { IPAddress: "172.18.0.2" },
      front: { IPAddress: "172.19.0.2" },
    });
    expect(Networks.back!.EndpointID).not.toBe(back.id);
    expect(Networks.front!.EndpointID).not.toBe("");
    await two.containers.disconnectNetwork("c1", "back", false);
    await two.containers.disconnectNetwork("c1", "front", false);
  });

  test("survive a daemon: addresses are kept, and those of the dead are given back", async () => {
    const one = await rig();
    const [alive, dead] = [await one.create({}, "alive"), await one.create({}, "dead")];
    await one.containers.start(alive);
    await one.containers.start(dead);
    one.shim.supervised.delete(dead);
    const two = new Rig(one);
    rigs.push(two);
    await two.containers.restore();
    await two.networks.restore("engine");
    const { Networks } = (await two.containers.inspect(alive, { size: false })).NetworkSettings;
    expect(Networks.bridge).toMatchObject({ IPAddress: "172.17.0.2" });
    const next = await two.create({}, "next");
    await two.containers.start(next);
    expect(
      (await two.containers.inspect(next, { size: false })).NetworkSettings.Networks.bridge,
    ).toMatchObject({
      IPAddress: "172.17.0.3",
    });
  });
});
