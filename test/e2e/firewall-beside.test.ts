/** Our rules beside those of others: flushes, an administrator's rules, foreign drops, dockerd, and what is left at the end. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PortBinding } from "../../src/engine/network/types.ts";
import { Agent } from "../support/agent.ts";
import { Bridge, type Container } from "../support/bridges.ts";
import { until } from "../support/daemon.ts";
import { type Driven, driveFirewall, legacyPath } from "../support/firewall.ts";
import { type Host, type Hosts, makeHosts } from "../support/hosts.ts";

const TABLE = "tsd-f1e2d3c4";
const tcp = (hostPort: number, containerPort = 80): PortBinding => ({
  protocol: "tcp",
  containerPort,
  hostIp: "0.0.0.0",
  hostPort,
});

let hosts: Hosts<"engine" | "remote" | "other">;
let stack: AsyncDisposableStack;
let engine: Host;
let bridge: Bridge;
let web: Container;
let remote: Agent;
let execRoot: string;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  hosts = stack.use(await makeHosts({ lan: ["engine", "remote"], dmz: ["engine", "other"] }));
  engine = hosts.host.engine;
  bridge = await new Bridge(engine, 1, "front", {}).create();
  web = stack.use(await bridge.container(2, [tcp(8080)]));
  stack.use(await Agent.start(web, "tcp/80", "tcp/81", "udp/53"));
  stack.use(await Agent.start(hosts.host.other, "tcp/80"));
  remote = stack.use(await Agent.start(hosts.host.remote, "tcp/80"));
  await hosts.host.remote.ok("ip", "route", "add", "198.51.100.0/24", "via", engine.ipv4);
  await hosts.host.other.ok("ip", "route", "add", "192.0.2.0/24", "via", "198.51.100.1");
}, 60_000);

afterAll(async () => {
  await stack.disposeAsync();
}, 30_000);

beforeEach(async () => {
  await engine.ok("nft", "flush", "ruleset");
  await engine.ok("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv4.conf.front.route_localnet=0");
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "firewall-"));
  stack.defer(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function start(backend: "nftables" | "iptables" = "nftables", ipForward = true): Promise<Driven> {
  execRoot = folder();
  return again(backend, ipForward);
}

const again = (backend: "nftables" | "iptables" = "nftables", ipForward = true) =>
  driveFirewall(engine, backend, { execRoot, ipForward, proxyLoopback: backend === "iptables" });

async function publish(firewall: Driven, ports = [tcp(8080)]): Promise<void> {
  await firewall.putNetwork(bridge.network);
  await firewall.putEndpoint({ ...web.endpoint, ports });
}

const reach = (port = 8080, seconds = 5) => remote.ask("tcp", engine.ipv4, port, seconds);
const ruleset = () => engine.ok("nft", "list", "ruleset");
const sysctl = async (name: string) => (await engine.ok("sysctl", "-n", name)).trim();
const SAW = "192.0.2.2";

for (const [what, flush] of [
  ["a flush of everything", "flush ruleset"],
  ["the table's removal", `delete table inet ${TABLE}`],
  ["a chain's flush", `flush chain inet ${TABLE} publish`],
  ["the loss of one element", `delete element inet ${TABLE} published4-any { tcp . 8080 }`],
] as const) {
  test(`${what} is repaired within a second`, async () => {
    await using firewall = await start();
    await publish(firewall);
    expect(await reach()).toBe(SAW);
    const before = await ruleset();
    await engine.ok("nft", flush);
    await until(async () => (await ruleset()).length === before.length, "the rules to be back", 1000);
    expect(await reach()).toBe(SAW);
    await firewall.close(false);
  }, 20_000);
}

test("a flush of iptables' tables is repaired, too", async () => {
  await using firewall = await start("iptables");
  await publish(firewall);
  expect(await reach()).toBe(SAW);
  await engine.ok("iptables", "-t", "nat", "-F");
  await engine.ok("iptables", "-F");
  await until(
    async () => (await engine.ok("iptables-save")).includes("--to-destination 172.30.1.2:80"),
    "the rules",
    3000,
  );
  expect(await reach()).toBe(SAW);
  await firewall.close(false);
}, 20_000);

test("the user's chain comes first, is not touched, and stays when the rest goes", async () => {
  await using firewall = await start();
  await publish(firewall);
  await engine.ok("nft", "add", "rule", "inet", TABLE, "user", "ip", "saddr", "192.0.2.2", "counter", "drop");
  expect(await reach(8080, 1)).toBe("nothing");
  await firewall.sync([bridge.network], [{ ...web.endpoint, ports: [tcp(8081)] }]);
  expect(await reach(8081, 1)).toBe("nothing");
  await firewall.close(false);
  const left = await ruleset();
  expect(left).toContain("ip saddr 192.0.2.2 counter packets");
  expect(left.match(/chain |set |map /g)).toEqual(["chain "]);
}, 20_000);

test("nothing of ours stays, and sysctls are as they were", async () => {
  for (const backend of ["nftables", "iptables"] as const) {
    await using firewall = await start(backend);
    await publish(firewall);
    expect(await sysctl("net.ipv4.ip_forward")).toBe("1");
    expect(await sysctl("net.ipv4.conf.front.route_localnet")).toBe(backend === "nftables" ? "1" : "0");
    await firewall.close(false);
    expect(await sysctl("net.ipv4.ip_forward")).toBe("0");
    expect(await sysctl("net.ipv4.conf.front.route_localnet")).toBe("0");
    expect(await ruleset()).not.toMatch(/tsd|DOCKER|policy drop/);
    expect(readdirSync(execRoot)).toEqual(["firewall"]);
  }
}, 20_000);

test("what a killed daemon left is taken over, and what it remembered is put back by the next", async () => {
  for (const backend of ["nftables", "iptables"] as const) {
    const first = await start(backend);
    await publish(first);
    await first.kill();
    expect(await reach()).toBe(SAW);
    await using next = await again(backend);
    await next.sync([bridge.network], [{ ...web.endpoint, ports: [tcp(8081)] }]);
    expect(await reach(8081)).toBe(SAW);
    expect(await reach()).toBe("refused");
    await next.removeNetwork(bridge.network.id);
    await next.close(false);
    expect(await ruleset()).not.toMatch(/tsd|DOCKER/);
    expect(await sysctl("net.ipv4.ip_forward")).toBe("0");
  }
}, 30_000);

test("a table as earlier versions made it is replaced in one transaction, but for the user's chain", async () => {
  await using fresh = await start();
  const endpoint = { ...web.endpoint, ports: [tcp(8080)] };
  const drops = ["ip saddr 192.0.2.77 drop", "ip saddr { 192.0.2.78, 192.0.2.79 } drop"];
  const addDrops = async () => {
    for (const drop of drops) await engine.ok("nft", `add rule inet ${TABLE} user ${drop}`);
  };
  await fresh.sync([bridge.network], [endpoint]);
  await addDrops();
  const wanted = await ruleset();
  await fresh.kill();
  await engine.ok("nft", "flush", "ruleset");
  await engine.ok("nft", "-f", join(import.meta.dir, "../support/earlier-table.nft"));
  await addDrops();
  expect(await reach()).toBe(SAW);
  await using firewall = await again();
  const monitor = engine.spawn(["nft", "monitor"]);
  let told = "";
  void (async () => {
    for await (const chunk of monitor.stdout.pipeThrough(new TextDecoderStream())) told += chunk;
  })();
  // A change of its own tells that it listens, and another that it has told everything.
  for (const name of ["begin", "end"]) {
    await until(async () => {
      await engine.ok("nft", `add table ip ${name}; delete table ip ${name}`);
      return told.includes(`table ip ${name}`);
    }, "the monitor to tell");
    if (name === "begin") await firewall.sync([bridge.network], [endpoint]);
  }
  monitor.kill();
  expect(told.match(/new generation .* \((?!nft)/g)).toHaveLength(1);
  expect(sorted(await ruleset())).toEqual(sorted(wanted));
  expect(await reach()).toBe(SAW);
  await firewall.close(false);
  expect((await ruleset()).match(/saddr|chain /g)).toEqual(["chain ", "saddr", "saddr"]);
}, 30_000);

/** Chains and sets are listed in the order in which they were made. */
const sorted = (text: string): string[] =>
  text
    .replaceAll(/__set\d+/g, "")
    .split("\n")
    .sort();

test("things that have our names and are not ours are replaced, and the user's chain is kept", async () => {
  await engine.ok(
    "nft",
    `add table inet ${TABLE}; add set inet ${TABLE} bridges { type ipv4_addr; }; add chain inet ${TABLE} user; add rule inet ${TABLE} user ip saddr 192.0.2.77 counter packets 7 bytes 9 drop comment "mine"`,
  );
  await using firewall = await start();
  await firewall.sync([bridge.network], [{ ...web.endpoint, ports: [tcp(8080)] }]);
  expect(await reach()).toBe(SAW);
  expect(await ruleset()).toContain('ip saddr 192.0.2.77 counter packets 7 bytes 9 drop comment "mine"');
  await firewall.close(false);
}, 20_000);

test("with one family alone, the other's packets go as if we were not there", async () => {
  await engine.ok("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1");
  const { remote: client } = hosts.host;
  const [four, six] = bridge.subnets;
  await client.ok("ip", "route", "replace", four, "via", engine.ipv4);
  await client.ok("ip", "-6", "route", "replace", six, "via", engine.ipv6);
  for (const backend of ["nftables", "iptables"] as const) {
    execRoot = folder();
    const apart = { ...bridge.network, icc: false };
    await using firewall = await driveFirewall(engine, backend, {
      execRoot,
      families: { four: true, six: false },
      proxyLoopback: backend === "iptables",
    });
    await firewall.putNetwork(apart);
    const ports = [tcp(8080), { ...tcp(8080), hostIp: "::" }];
    await firewall.putEndpoint({ ...web.endpoint, ports });
    expect(await reach()).toBe(SAW);
    expect(await remote.ask("tcp", web.ipv4, 80, 1)).toBe("nothing");
    // Neither kept from who routes to it, nor published, nor sent out with another address.
    expect(await remote.ask("tcp", web.ipv6, 81)).toBe(client.ipv6);
    expect(await remote.ask("tcp", engine.ipv6, 8080)).toBe("refused");
    await using inside = await Agent.start(web);
    expect(await inside.ask("tcp", client.ipv6, 80)).toBe(web.ipv6);
    expect(await inside.ask("tcp", client.ipv4, 80)).toBe(engine.ipv4);
    await firewall.close(false);
  }
  await client.ok("ip", "route", "del", four);
  await client.ok("ip", "-6", "route", "del", six);
  await engine.ok("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0");
}, 30_000);

test("without rules of either family, the host still forwards because of us, and no longer than we are there", async () => {
  execRoot = folder();
  await using firewall = await driveFirewall(engine, "none", { execRoot });
  await firewall.putNetwork(bridge.network);
  expect(await sysctl("net.ipv4.ip_forward")).toBe("1");
  expect(await ruleset()).toBe("");
  await firewall.close(false);
  expect(await sysctl("net.ipv4.ip_forward")).toBe("0");
}, 20_000);

test("where packets may not be filtered, bridge networks say so, and nothing else fails", async () => {
  execRoot = folder();
  const under = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
  await using firewall = await driveFirewall(engine, "nftables", { execRoot, under });
  await firewall.sync([], []);
  await expect(firewall.putNetwork(bridge.network)).rejects.toThrow("nftables is not to be had: ");
  expect(firewall.warnings.join()).toContain("operation not permitted");
  await firewall.close(false);
}, 20_000);

test("two of ours live side by side, and the first to end leaves the other what it needs", async () => {
  for (const backend of ["nftables", "iptables"] as const) {
    await using one = await start(backend);
    await publish(one);
    const second = await new Bridge(engine, 2, "second", {}).create();
    await using far = await second.container(2);
    await using inside = await Agent.start(far, "tcp/80");
    const proxyLoopback = backend === "iptables";
    await using other = await driveFirewall(engine, backend, {
      execRoot: folder(),
      engineId: "0a0b0c0d",
      proxyLoopback,
    });
    await other.putNetwork(second.network);
    await other.putEndpoint({ ...far.endpoint, ports: [tcp(8090)] });
    expect([await reach(), await reach(8090)]).toEqual([SAW, SAW]);
    expect(await inside.ask("tcp", web.ipv4, 80, 1)).toBe("nothing");
    expect(await inside.ask("tcp", engine.ipv4, 8080)).toBe("172.30.1.1");
    await one.close(false);
    expect(await reach(8090)).toBe(SAW);
    expect(await inside.ask("tcp", SAW, 80)).toBe("192.0.2.1");
    await other.close(false);
    expect(await ruleset()).not.toMatch(/tsd-|DOCKER/);
    await engine.ok("sysctl", "-qw", "net.ipv4.ip_forward=0");
    await engine.ok("nft", "flush", "ruleset");
    await engine.ok("ip", "link", "del", "second");
  }
}, 40_000);

for (const variant of ["iptables", "iptables-legacy"]) {
  const programs = [variant, variant.replace("ip", "ip6")];
  const setPolicy = async (policy: string) => {
    for (const program of programs) await engine.ok(program, "-P", "FORWARD", policy);
  };
  const policies = async () => {
    const lists = await Promise.all(programs.map((program) => engine.ok(program, "-S", "FORWARD")));
    return lists.map((list) => list.split("\n", 1)[0]);
  };
  const both = (policy: string) => [`-P FORWARD ${policy}`, `-P FORWARD ${policy}`];

  test(`${variant}: what is not ours to forward is dropped, and the policy of before comes back`, async () => {
    const path = `${legacyPath(folder())}:${process.env.PATH}`;
    const drive = () =>
      driveFirewall(engine, "iptables", {
        execRoot,
        proxyLoopback: true,
        env: variant === "iptables" ? {} : { PATH: path },
      });
    for (const before of ["ACCEPT", "DROP"]) {
      for (const killed of [false, true]) {
        execRoot = folder();
        await engine.ok("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0");
        await setPolicy(before);
        let firewall = await drive();
        await publish(firewall);
        expect(await policies()).toEqual(both("DROP"));
        if (killed) {
          await firewall.kill();
          firewall = await drive();
          await firewall.sync([bridge.network], [web.endpoint]);
        }
        await firewall.close(false);
        expect([await policies(), readdirSync(execRoot)]).toEqual([both(before), ["firewall"]]);
        expect(await sysctl("net.ipv4.ip_forward")).toBe("0");
        expect(await sysctl("net.ipv6.conf.all.forwarding")).toBe("0");
      }
    }
    await setPolicy("ACCEPT");
  }, 40_000);
}

test("another backend takes the place of the one before", async () => {
  const first = await start("iptables");
  await publish(first);
  await first.kill();
  const second = await again("nftables");
  await second.sync([bridge.network], [web.endpoint]);
  expect(await reach()).toBe(SAW);
  expect(await ruleset()).not.toMatch(/DOCKER|policy drop/);
  await second.kill();
  await using third = await again("iptables");
  await third.sync([bridge.network], [web.endpoint]);
  expect(await reach()).toBe(SAW);
  expect(await ruleset()).not.toContain(`table inet ${TABLE}`);
  await third.close(false);
  expect(await sysctl("net.ipv4.ip_forward")).toBe("0");
}, 30_000);

test("a host that forwards because of us does so for containers alone", async () => {
  await using firewall = await start();
  await publish(firewall);
  expect(await sysctl("net.ipv4.ip_forward")).toBe("1");
  expect(await remote.ask("tcp", hosts.host.other.ipv4, 80, 1)).toBe("nothing");
  await firewall.close(false);
  await engine.ok("sysctl", "-qw", "net.ipv4.ip_forward=1");
  await using other = await start();
  await publish(other);
  expect(await remote.ask("tcp", hosts.host.other.ipv4, 80)).toBe(SAW);
  await other.close(false);
  expect(await sysctl("net.ipv4.ip_forward")).toBe("1");
}, 20_000);

test("loopback services of the host stay its own, with route_localnet on (CVE-2020-8558)", async () => {
  for (const backend of ["nftables", "iptables"] as const) {
    await using firewall = await start(backend);
    await publish(firewall);
    const service = engine.spawn([
      "python3",
      "-c",
      "import socket; s = socket.create_server(('127.0.0.1', 7777));\nwhile True: s.accept()",
    ]);
    await until(async () => (await engine.ok("ss", "-ltnH", "sport = :7777")) !== "", "a service");
    // A neighbour, and a container, that send what is for 127.0.0.1 to the host's link address.
    for (const [from, gateway] of [
      [hosts.host.remote, engine.ipv4],
      [web, "172.30.1.1"],
    ] as const) {
      await from.ok("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1");
      await from.run("ip", "route", "del", "local", "127.0.0.0/8", "table", "local");
      await from.run("ip", "route", "del", "local", "127.0.0.1", "table", "local");
      await from.ok("ip", "route", "replace", "127.0.0.0/8", "via", gateway);
      await using agent = await Agent.start(from);
      expect(await agent.ask("tcp", "127.0.0.1", 7777, 1)).toBe("nothing");
    }
    service.kill();
    await firewall.close(false);
  }
}, 30_000);

test("a foreign chain that drops what is forwarded is told of", async () => {
  await engine.ok(
    "nft",
    "add table inet corp; add chain inet corp gate { type filter hook forward priority 0; policy drop; }",
  );
  await using firewall = await start();
  await publish(firewall);
  expect(firewall.warnings.join()).toContain(
    'the chain "gate" of the nftables table "inet corp" drops what is forwarded',
  );
  expect(await firewall.ask()).toHaveLength(1);
  expect(await reach(8080, 1)).toBe("nothing");
  await engine.ok("nft", "delete", "table", "inet", "corp");
  await until(async () => (await firewall.ask()).length === 0, "the warning to go");
  expect(await reach()).toBe(SAW);
  await firewall.close(false);
}, 20_000);

test("so is one of the old iptables, if it drops", async () => {
  await using firewall = await start();
  await engine.ok("iptables-legacy", "-P", "FORWARD", "ACCEPT");
  await engine.ok("ip6tables-legacy", "-A", "FORWARD", "-s", "fd99::1", "-j", "DROP");
  await publish(firewall);
  expect(await firewall.ask()).toEqual([]);
  await engine.ok("iptables-legacy", "-A", "FORWARD", "-s", "10.99.0.1", "-j", "ACCEPT");
  await engine.ok("iptables-legacy", "-P", "FORWARD", "DROP");
  await engine.ok("ip6tables-legacy", "-P", "FORWARD", "DROP");
  await firewall.sync([bridge.network], []);
  const [four, six] = await firewall.ask();
  expect(four).toContain('the chain "FORWARD" of iptables-legacy drops what is forwarded');
  expect(six).toContain('the chain "FORWARD" of ip6tables-legacy drops what is forwarded');
  for (const program of ["iptables-legacy", "ip6tables-legacy"]) {
    await engine.ok(program, "-F", "FORWARD");
    await engine.ok(program, "-P", "FORWARD", "ACCEPT");
  }
  await firewall.close(false);
}, 20_000);

test("no packet of a container's leaves under its own address, not even those of connections that break", async () => {
  await using firewall = await start();
  await publish(firewall);
  await using capture = await hosts.host.remote.capture("lan", "src net 172.30.0.0/16");
  const inside = stack.use(await Agent.start(web));
  const answers = await Promise.all([
    reach(),
    inside.ask("tcp", SAW, 80),
    inside.ask("tcp", SAW, 9999),
    inside.ask("udp", SAW, 9999, 1),
  ]);
  expect(answers).toEqual([SAW, "192.0.2.1", "refused", expect.stringMatching(/refused|nothing/)]);
  // Open, and then nobody's: what the container still sends is not let out as it is.
  const program = `
import socket, sys
s = socket.create_connection((sys.argv[1], 8080)); print(s.recv(100).decode(), flush=True); sys.stdin.read(); s.close()`;
  const client = hosts.host.remote.spawn(["python3", "-c", program, engine.ipv4]);
  const reader = client.stdout.getReader();
  await reader.read();
  await firewall.putEndpoint({ ...web.endpoint, ports: [] });
  client.stdin.end();
  await client.exited;
  await web.run("ping", "-c", "1", "-W", "2", SAW);
  expect(capture.lines).toEqual([]);
  await firewall.close(false);
}, 30_000);

test("DOCKER-USER lets through what we let through, and nothing else, while we are there", async () => {
  await engine.ok("iptables", "-P", "FORWARD", "DROP");
  await using firewall = await start();
  await publish(firewall);
  expect(await reach(8080, 1)).toBe("nothing");
  await engine.ok("iptables", "-N", "DOCKER-USER");
  await engine.ok("iptables", "-A", "DOCKER-USER", "-j", "RETURN");
  await engine.ok("iptables", "-I", "FORWARD", "-j", "DOCKER-USER");
  await until(async () => (await reach(8080, 1)) === SAW, "our accept");
  expect(await engine.ok("iptables", "-S", "DOCKER-USER")).toBe(
    `-N DOCKER-USER\n-A DOCKER-USER -m mark --mark 0x2000000/0x2000000 -m comment --comment ${TABLE} -j ACCEPT\n-A DOCKER-USER -j RETURN`,
  );
  expect(await remote.ask("tcp", hosts.host.other.ipv4, 80, 1)).toBe("nothing");
  expect(await firewall.ask()).toEqual([]);
  await engine.ok("iptables", "-D", "FORWARD", "-j", "DOCKER-USER");
  await until(async () => (await firewall.ask()).length > 0, "word of a DOCKER-USER that nothing jumps to");
  expect(await reach(8080, 1)).toBe("nothing");
  expect(await firewall.ask()).toEqual([
    expect.stringContaining('"FORWARD" of the nftables table "ip filter"'),
  ]);
  await engine.ok("iptables", "-I", "FORWARD", "-j", "DOCKER-USER");
  await until(async () => (await firewall.ask()).length === 0, "the warning to go");
  expect(await reach(8080, 1)).toBe(SAW);
  await firewall.close(false);
  expect(await engine.ok("iptables", "-S", "DOCKER-USER")).toBe("-N DOCKER-USER\n-A DOCKER-USER -j RETURN");
}, 20_000);

test("UDP that was sent to a port before it is published reaches the container afterwards", async () => {
  await using firewall = await start();
  await publish(firewall, []);
  const program = `
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.05)
while True:
    try:
        s.sendto(b"?", (sys.argv[1], 5353)); print(s.recv(100).decode().strip(), flush=True); break
    except OSError: time.sleep(0.02)`;
  const client = hosts.host.remote.spawn(["python3", "-c", program, engine.ipv4]);
  await until(
    async () => (await engine.ok("nstat", "-az", "UdpNoPorts")).match(/UdpNoPorts\s+[1-9]/) !== null,
    "datagrams to nobody",
  );
  await firewall.putEndpoint({ ...web.endpoint, ports: [{ ...tcp(5353, 53), protocol: "udp" }] });
  expect((await new Response(client.stdout).text()).trim()).toBe(SAW);
  await firewall.close(false);
}, 20_000);

/** How many chains and rules the kernel has to look at; what a map or a set holds is found at once. */
const lengthOfTable = async (): Promise<number> => {
  const { nftables } = JSON.parse(await engine.ok("nft", "-j", "list", "table", "inet", TABLE));
  return nftables.filter((item: object) => "rule" in item || "chain" in item).length;
};

test("2,000 ports make no rule more than one", async () => {
  await using firewall = await start();
  await publish(firewall);
  const one = await lengthOfTable();
  await publish(
    firewall,
    Array.from({ length: 2000 }, (_, at) => tcp(10_000 + at)),
  );
  expect(await lengthOfTable()).toBe(one);
  expect(await reach(11_999)).toBe(SAW);
  await firewall.close(false);
}, 30_000);

test("1,000 networks make no chain and no rule more than one", async () => {
  await using firewall = await start();
  await publish(firewall);
  const one = await lengthOfTable();
  for (let n = 0; n < 1000; n++) {
    await firewall.putNetwork({
      ...bridge.network,
      id: `network-${n}`,
      bridge: `many-${n}`,
      ipv4: { ...bridge.network.ipv4!, subnet: `10.${n >> 8}.${n & 255}.0/24` },
      ipv6: { ...bridge.network.ipv6!, subnet: `fd10:${n}::/64` },
    });
  }
  expect(await lengthOfTable()).toBe(one);
  expect(await reach()).toBe(SAW);
  await firewall.close(false);
}, 30_000);
