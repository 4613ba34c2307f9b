/**
 * Who reaches whom, and whom the reached one sees: a table, over IPv4 and IPv6, between containers in networks of every
 * kind, the host that they run on, and another host that has routes to all of them through it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { addressBytes, macBytes } from "../../src/ffi/netlink/ip.ts";
import { PacketSocket } from "../../src/ffi/packet.ts";
import type { Daemon } from "../support/daemon.ts";
import { capture, type Hosts, makeHosts } from "../support/hosts.ts";
import { answering, askAll, type Question } from "../support/peer.ts";
import { Stack } from "../support/stack.ts";

/** Of each network: what `docker network create` is told besides the subnets. */
const NETWORKS = {
  front: [],
  back: [],
  closed: ["-o", "com.docker.network.bridge.enable_icc=false"],
  inside: ["--internal"],
  routed: gateway("routed"),
  open: gateway("nat-unprotected"),
  apart: ["--internal", ...gateway("isolated")],
} as const;
type NetworkName = keyof typeof NETWORKS;

function gateway(mode: string): string[] {
  return [4, 6].flatMap((family) => ["-o", `com.docker.network.bridge.gateway_mode_ipv${family}=${mode}`]);
}

/** Each answers at ports 80 and 81; what follows is its network and what `docker run` is told besides. */
const CONTAINERS = {
  web: [
    "front",
    "-p",
    "8080:80",
    "-p",
    "8080:80/udp",
    "-p",
    "127.0.0.1:8082:80",
    "-p",
    "[::1]:8082:80",
    "-p",
    "127.0.0.1:8083:80/udp",
  ],
  neighbour: ["front"],
  other: ["back", "-p", "8090:80"],
  closed1: ["closed", "-p", "8100:80"],
  closed2: ["closed"],
  inside1: ["inside"],
  inside2: ["inside"],
  routed1: ["routed", "-p", "80"],
  open1: ["open", "-p", "8110:80"],
  apart1: ["apart"],
  apart2: ["apart"],
} as const satisfies Record<string, readonly [NetworkName, ...string[]]>;
type ContainerName = keyof typeof CONTAINERS;

const octet = (network: NetworkName): number => Object.keys(NETWORKS).indexOf(network) + 1;
const subnets = (network: NetworkName) => ({ 4: `10.77.${octet(network)}`, 6: `fd00:77:${octet(network)}:` });

/**
 * `-`: not reached. Otherwise who the one that is reached sees: a host or a container by name; `gateway`, the bridge
 * of its own network; `host`, the engine's address on the lan.
 *
 * To: `NAME:PORT`, a container directly; `host:PORT`, the engine's address on the lan; `local:PORT`, loopback.
 */
const TABLE = `
  from       to             tcp4      tcp6      udp4      udp6

  # A published port: from anywhere, by any address of the host, and the source stays what it was where it can.
  remote     host:8080      remote    remote    remote    remote
  engine     host:8080      host      host      host      host
  engine     local:8080     gateway   gateway   gateway   gateway
  engine     local:8082     gateway   gateway   -         -
  web        host:8080      gateway   gateway   gateway   gateway
  neighbour  host:8080      gateway   gateway   gateway   gateway
  other      host:8080      gateway   gateway   gateway   gateway
  closed2    host:8080      gateway   gateway   gateway   gateway
  inside1    host:8080      -         -         -         -
  remote     host:8090      remote    remote    -         -
  remote     host:8100      remote    remote    -         -
  remote     host:8110      remote    remote    -         -

  # Published to loopback alone.
  remote     host:8082      -         -         -         -
  engine     host:8082      -         -         -         -
  other      host:8082      -         -         -         -

  # No port is reached past what is published, though the other host has a route.
  remote     web:80         -         -         -         -
  remote     web:81         -         -         -         -
  remote     neighbour:80   -         -         -         -
  remote     inside1:80     -         -         -         -
  remote     closed2:80     -         -         -         -

  # Unless the network says so.
  remote     routed1:80     remote    remote    -         -
  remote     routed1:81     -         -         -         -
  remote     open1:80       remote    remote    remote    remote
  remote     open1:81       remote    remote    remote    remote

  # The host itself reaches its containers; an isolated network's it does not.
  engine     web:81         gateway   gateway   gateway   gateway
  engine     inside1:80     gateway   gateway   gateway   gateway
  engine     apart1:80      -         -         -         -

  # One network: everybody, unless it is said otherwise.
  neighbour  web:81         neighbour neighbour neighbour neighbour
  inside2    inside1:80     inside2   inside2   inside2   inside2
  apart2     apart1:80      apart2    apart2    apart2    apart2
  closed2    closed1:80     -         -         -         -
  closed1    closed2:81     -         -         -         -

  # Between networks nothing.
  other      web:80         -         -         -         -
  other      web:81         -         -         -         -
  web        other:81       -         -         -         -
  web        inside1:80     -         -         -         -
  inside1    web:80         -         -         -         -
  routed1    web:81         -         -         -         -

  # Out.
  web        remote:80      host      host      host      host
  closed1    remote:80      host      host      host      host
  routed1    remote:80      routed1   routed1   routed1   routed1
  open1      remote:80      host      host      host      host
  inside1    remote:80      -         -         -         -
  apart1     remote:80      -         -         -         -
`;

const COLUMNS = ["tcp4", "tcp6", "udp4", "udp6"] as const;

interface Row {
  from: string;
  to: string;
  cells: string[];
}

const ROWS: Row[] = TABLE.split("\n")
  .map((line) => line.trim().split(/\s+/))
  .filter(([from]) => from && from !== "#" && from !== "from")
  .map(([from, to, ...cells]) => ({ from: from!, to: to!, cells }));

let hosts: Hosts<"engine" | "remote">;
let stack: Stack;
const servers: Disposable[] = [];
/** By name: where it is entered, and its addresses. */
const peers: Record<string, { path: string; 4: string; 6: string }> = {};

const daemon = (): Daemon => stack.daemon;

async function ok(...words: string[]): Promise<string> {
  const { stdout, stderr, status } = await daemon().docker(...words);
  if (status !== 0) throw new Error(`docker ${words.join(" ")}: ${stderr}`);
  return stdout.trim();
}

async function start(name: ContainerName): Promise<void> {
  const [network, ...flags] = CONTAINERS[name];
  await ok("run", "-d", "--name", name, "--network", network, ...flags, "busybox", "sleep", "3600");
  const format =
    "{{.NetworkSettings.SandboxKey}}{{range .NetworkSettings.Networks}} {{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
  const [path, four, six] = (await ok("inspect", "-f", format, name)).split(" ") as [string, string, string];
  peers[name] = { path, 4: four, 6: six };
}

beforeAll(async () => {
  hosts = await makeHosts({ lan: ["engine", "remote"] });
  const { engine, remote } = hosts.host;
  stack = await Stack.start({ under: [...engine.under] });
  for (const [name, host] of Object.entries(hosts.host))
    peers[name] = { path: `/run/netns/${host.netns}`, 4: host.ipv4, 6: host.ipv6 };
  for (const [name, flags] of Object.entries(NETWORKS)) {
    const { 4: four, 6: six } = subnets(name as NetworkName);
    const pools = ["--subnet", `${four}.0/24`, "--ipv6", "--subnet", `${six}:/64`];
    await ok("network", "create", ...pools, ...flags, name);
  }
  for (const name of Object.keys(CONTAINERS)) await start(name as ContainerName);
  await remote.ok("ip", "route", "add", "10.77.0.0/16", "via", engine.ipv4);
  await remote.ok("ip", "route", "add", "fd00:77::/32", "via", engine.ipv6);
  for (const [name, { path }] of Object.entries(peers))
    if (name !== "engine") servers.push(await answering(path, name, [80, 81]));
}, 60_000);

afterAll(async () => {
  for (const server of servers) server[Symbol.dispose]();
  await stack?.[Symbol.asyncDispose]();
  await hosts?.[Symbol.asyncDispose]();
}, 30_000);

function question(to: string, column: (typeof COLUMNS)[number]): Question {
  const [name, port] = to.split(":") as [string, string];
  const family = Number(column[3]) as 4 | 6;
  const address =
    name === "local"
      ? { 4: "127.0.0.1", 6: "::1" }[family]
      : peers[name === "host" ? "engine" : name]![family];
  return { protocol: column.slice(0, 3) as "tcp" | "udp", address, port: Number(port) };
}

/** An answer in the words of the table. */
function seen(answer: string, family: 4 | 6): string {
  const [, server, address] = /^(\S+) saw (\S+)$/.exec(answer) ?? [];
  if (server === undefined) return "-";
  if (address === hosts.host.engine[family === 4 ? "ipv4" : "ipv6"]) return "host";
  const known = Object.entries(peers).find(([, peer]) => peer[family] === address);
  if (known) return known[0];
  const network = (CONTAINERS as Record<string, readonly [NetworkName, ...string[]]>)[server]?.[0];
  const own = network && subnets(network);
  return own && (address === `${own[4]}.1` || address === `${own[6]}:1`) ? "gateway" : address!;
}

describe("the table", () => {
  const sources = [...new Set(ROWS.map(({ from }) => from))];
  for (const source of sources) {
    test(`from ${source}`, async () => {
      const rows = ROWS.filter(({ from }) => from === source);
      const questions = rows.flatMap(({ to }) => COLUMNS.map((column) => question(to, column)));
      const answers = await askAll(peers[source]!.path, questions);
      const line = (to: string, cells: string[]) => [source, to, ...cells].join(" ");
      const found = rows.map(({ to }, row) =>
        line(
          to,
          COLUMNS.map((column, n) => seen(answers[row * COLUMNS.length + n]!, Number(column[3]) as 4 | 6)),
        ),
      );
      expect(found).toEqual(rows.map(({ to, cells }) => line(to, cells)));
    }, 20_000);
  }
});

/** Ethernet, IPv4 and UDP, from a port and an address that tell it apart, with a checksum where one must be. */
function datagram(mac: string, from: string, to: string, port: number): Uint8Array {
  const ip = [0x45, 0, 0, 29, 0, 1, 0, 0, 64, 17, 0, 0, ...addressBytes(from), ...addressBytes(to)];
  let sum = 0;
  for (let n = 0; n < ip.length; n += 2) sum += (ip[n]! << 8) | ip[n + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  ip[10] = (~sum >> 8) & 0xff;
  ip[11] = ~sum & 0xff;
  const udp = [SPOOFED >> 8, SPOOFED & 0xff, port >> 8, port & 0xff, 0, 9, 0, 0, 0x3f];
  return Uint8Array.from([...macBytes(mac), 2, 0, 0, 0, 0, 9, 0x08, 0x00, ...ip, ...udp]);
}
const SPOOFED = 4444;

describe("packets", () => {
  test("to loopback's port that come from the lan get nowhere, whatever address they claim", async () => {
    const { engine, remote } = hosts.host;
    const { path } = peers.web!;
    await using packets = await capture(path, "eth0", "udp port 80");
    const [lan] = await engine.ip<{ address: string }[]>("link", "show", "lan");
    const [out] = await remote.ip<{ ifindex: number }[]>("link", "show", "lan");
    {
      using _ = remote.enter();
      const socket = new PacketSocket();
      for (const from of [remote.ipv4, "127.0.0.1", "10.77.1.1"])
        socket.send(out!.ifindex, datagram(lan!.address, from, "127.0.0.1", 8083));
      socket.send(out!.ifindex, datagram(lan!.address, remote.ipv4, engine.ipv4, 8080));
      socket.close();
    }
    // The last was sent to a port that is published to everybody: so it was a good packet, and the others came before.
    const line = await packets.saw(new RegExp(`\\.${SPOOFED} > `));
    expect(line).toContain(`${remote.ipv4}.${SPOOFED} > `);
    expect(packets.lines.filter((each) => each.includes(`.${SPOOFED} > `))).toEqual([line]);
  });

  test("to a published port arrive with the address of who sent them, and the answer comes from where it was asked", async () => {
    const { engine, remote } = hosts.host;
    await using arriving = await capture(peers.web!.path, "eth0", "tcp port 80");
    await using answered = await remote.capture("lan", "tcp port 8080");
    await askAll(peers.remote!.path, [question("host:8080", "tcp4"), question("host:8080", "tcp6")]);
    for (const family of ["ipv4", "ipv6"] as const) {
      const [there, here] = [remote[family], engine[family]];
      await arriving.saw(
        new RegExp(`IP6? ${there}\\.\\d+ > ${peers.web![family === "ipv4" ? 4 : 6]}\\.80: Flags \\[S\\]`),
      );
      await answered.saw(new RegExp(`IP6? ${here}\\.8080 > ${there}\\.\\d+: Flags \\[S\\.\\]`));
    }
  });

  test("of a container to its own published port come back to it, from its gateway", async () => {
    await using packets = await capture(peers.web!.path, "eth0", "tcp");
    await askAll(peers.web!.path, [question("host:8080", "tcp4"), question("host:8080", "tcp6")]);
    const { 4: four, 6: six } = subnets("front");
    await packets.saw(
      new RegExp(`IP ${four}\\.\\d+\\.\\d+ > ${hosts.host.engine.ipv4}\\.8080: Flags \\[S\\]`),
    );
    await packets.saw(new RegExp(`IP ${four}\\.1\\.\\d+ > ${peers.web![4]}\\.80: Flags \\[S\\]`));
    await packets.saw(new RegExp(`IP6 ${six}:1\\.\\d+ > ${peers.web![6]}\\.80: Flags \\[S\\]`));
  });

  test("that leave have the host's address, unless their network is routed", async () => {
    const { engine, remote } = hosts.host;
    await using packets = await remote.capture("lan", "tcp port 80");
    for (const name of ["web", "routed1"])
      await askAll(peers[name]!.path, [question("remote:80", "tcp4"), question("remote:80", "tcp6")]);
    for (const from of [engine.ipv4, engine.ipv6, peers.routed1![4], peers.routed1![6]])
      await packets.saw(new RegExp(`IP6? ${from}\\.\\d+ > \\S+\\.80: Flags \\[S\\]`));
    expect(
      packets.lines.filter((line) => line.includes(`${peers.web![4]}.`) || line.includes(peers.web![6])),
    ).toEqual([]);
    expect(packets.lines.some((line) => line.includes(remote.ipv4))).toBe(true);
  });
});
