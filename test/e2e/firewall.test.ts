/**
 * Who reaches whom, and as whom, by real packets: the whole table for each backend, IPv4 and IPv6, TCP and UDP. Hosts and
 * containers are namespaces; there is no daemon, and no ts-proxy, in between.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PortBinding } from "../../src/engine/network/types.ts";
import { Agent } from "../support/agent.ts";
import { Bridge, type Container } from "../support/bridges.ts";
import { type Driven, driveFirewall, legacyPath } from "../support/firewall.ts";
import { type Host, type Hosts, makeHosts } from "../support/hosts.ts";

const tcp = (hostIp: string, hostPort: number): PortBinding => ({
  protocol: "tcp",
  containerPort: 80,
  hostIp,
  hostPort,
});
const everywhere = (hostPort: number): PortBinding[] => [tcp("0.0.0.0", hostPort), tcp("::", hostPort)];
const open: PortBinding[] = everywhere(0);

type Who =
  | "engine"
  | "remote"
  | "other"
  | "web"
  | "peer"
  | "far"
  | "inside"
  | "mate"
  | "routed"
  | "bare"
  | "lone"
  | "solo"
  | "friend"
  | "known";

describe.each(["nftables", "nftables, bridged packets unseen", "iptables", "iptables-legacy"] as const)(
  "%s",
  (setting) => {
    const backend = setting.startsWith("nftables") ? "nftables" : setting;
    const stack = new AsyncDisposableStack();
    let hosts: Hosts<"engine" | "remote" | "other">;
    let firewall: Driven;
    const all = {} as Record<Who, Host | Container>;
    const agents = {} as Record<Who, Agent>;
    const execRoot = mkdtempSync(join(tmpdir(), "firewall-"));

    beforeAll(async () => {
      hosts = stack.use(await makeHosts({ lan: ["engine", "remote"], dmz: ["engine", "other"] }));
      const { engine, remote, other } = hosts.host;
      Object.assign(all, { engine, remote, other });
      await engine.ok("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0");
      const seen = setting === backend ? "1" : "0";
      await engine.ok(
        "sysctl",
        "-qw",
        ...["iptables", "ip6tables"].map((what) => `net.bridge.bridge-nf-call-${what}=${seen}`),
      );
      firewall = stack.use(
        await driveFirewall(engine, backend === "nftables" ? backend : "iptables", {
          execRoot,
          proxyLoopback: backend !== "nftables",
          ...(backend === "iptables-legacy" && {
            env: { PATH: `${legacyPath(execRoot)}:${process.env.PATH}` },
          }),
        }),
      );
      let n = 1;
      const bridge = async (link: string, options = {}): Promise<Bridge> => {
        const made = await new Bridge(engine, n++, link, options).create();
        await firewall.putNetwork(made.network);
        for (const host of [remote, other]) {
          const via = host === remote ? engine.ports.lan! : engine.ports.dmz!;
          await host.ok("ip", "route", "add", made.subnets[0], "via", via.ipv4);
          await host.ok("ip", "-6", "route", "add", made.subnets[1], "via", via.ipv6);
        }
        return made;
      };
      const container = async (
        name: Who,
        on: Bridge,
        at: number,
        ports?: PortBinding[],
      ): Promise<Container> => {
        const made = stack.use(await on.container(at, ports));
        all[name] = made;
        await firewall.putEndpoint(made.endpoint);
        return made;
      };
      const front = await bridge("front");
      await container("web", front, 2, [
        ...everywhere(8080),
        tcp("127.0.0.1", 8081),
        tcp("192.0.2.1", 8082),
        tcp("2001:db8::1", 8082),
        { protocol: "udp", containerPort: 53, hostIp: "0.0.0.0", hostPort: 5353 },
        { protocol: "udp", containerPort: 53, hostIp: "::", hostPort: 5353 },
      ]);
      await container("peer", front, 3);
      await container("far", await bridge("back"), 2);
      const inner = await bridge("inner", { internal: true });
      await container("inside", inner, 2, everywhere(8085));
      await container("mate", inner, 3);
      await container("routed", await bridge("route", { mode: "routed" }), 2, open);
      await container("bare", await bridge("bare", { mode: "nat-unprotected" }), 2, everywhere(8086));
      const apart = await bridge("apart", { icc: false });
      await container("lone", apart, 2, everywhere(8087));
      await container("solo", apart, 3);
      const friend = await container("friend", apart, 4);
      const lone = all.lone as Container;
      const link = { protocol: "tcp" as const, port: 81 };
      await firewall.putEndpoint({
        ...lone.endpoint,
        links: [
          { from: friend.ipv4, ...link },
          { from: friend.ipv6, ...link },
        ],
      });
      await container("known", await bridge("known", { trusted: ["lan"] }), 2, everywhere(8088));
      for (const [name, host] of Object.entries(all)) {
        agents[name as Who] = stack.use(await Agent.start(host, "tcp/80", "tcp/81", "udp/53", "udp/54"));
      }
    }, 60_000);

    afterAll(async () => {
      await stack.disposeAsync();
      rmSync(execRoot, { recursive: true });
    }, 30_000);

    /** From, where to, the port, and as whom: an address of theirs, or `no`. Both families, unless one is named. */
    type Row = [from: Who, to: string, port: number | `udp ${number}`, as: string, only?: 4 | 6 | undefined];
    /** By iptables, what the kernel does not forward is ts-proxy's, and there is none here. */
    const kernel = backend === "nftables";
    const proxied = (as: string): string => (kernel ? as : "refused");

    const ROWS: Row[] = [
      // Published: from outside as who they are.
      ["remote", "engine.lan", 8080, "remote"],
      ["remote", "engine.lan", "udp 5353", "remote"],
      ["other", "engine.dmz", 8080, "other"],
      ["remote", "engine.lan", 8082, "remote"],
      ["other", "engine.dmz", 8082, "refused"],
      // From the host, by its own addresses, and by localhost (::1 is ts-proxy's).
      ["engine", "engine.lan", 8080, "engine.lan"],
      ["engine", "gateway of web", 8080, "gateway of web"],
      ["engine", "127.0.0.1", 8080, proxied("gateway of web"), 4],
      ["engine", "127.0.0.1", "udp 5353", proxied("gateway of web"), 4],
      ["engine", "127.0.0.1", 8081, proxied("gateway of web"), 4],
      ["engine", "web", 80, "gateway of web"],
      ["engine", "web", 81, "gateway of web"],
      // Loopback only: from nowhere else.
      ["remote", "engine.lan", 8081, "refused", 4],
      ["far", "gateway of far", 8081, "refused", 4],
      // From containers: itself, a neighbour, another network.
      ["web", "engine.lan", 8080, proxied("gateway of web")],
      ["web", "gateway of web", "udp 5353", proxied("gateway of web")],
      ["peer", "engine.lan", 8080, proxied("gateway of web")],
      ["peer", "web", 80, "peer"],
      ["peer", "web", 81, "peer"],
      ["far", "engine.lan", 8080, "gateway of web"],
      ["far", "gateway of web", 8080, "gateway of web"],
      // Another network's container by its own address: not even where it is published.
      ["far", "web", 80, "no"],
      ["far", "web", 81, "no"],
      ["web", "far", 80, "no"],
      // From outside by routing: nothing.
      ["remote", "web", 80, "no"],
      ["remote", "web", 81, "no"],
      ["remote", "web", "udp 53", "no"],
      ["remote", "peer", 80, "no"],
      // Outgoing: as the host.
      ["web", "remote", 80, "engine.lan"],
      ["far", "other", "udp 53", "engine.dmz"],
      ["lone", "remote", 80, "engine.lan"],
      // Internal: its own, and nobody else.
      ["mate", "inside", 80, "mate"],
      ["engine", "inside", 80, "gateway of inside"],
      ["remote", "inside", 80, "no"],
      ["remote", "engine.lan", 8085, "refused"],
      ["web", "inside", 80, "no"],
      ["inside", "gateway of inside", 8080, "no"],
      // Routed: open ports at their own addresses, as who they are, and nothing else.
      ["remote", "routed", 80, "remote"],
      ["remote", "routed", 81, "no"],
      ["web", "routed", 80, "gateway of routed"],
      ["routed", "remote", 80, "routed"],
      // Unprotected: all ports by routing, too.
      ["remote", "bare", 81, "remote"],
      ["remote", "engine.lan", 8086, "remote"],
      // Kept apart, but for links and published ports.
      ["solo", "lone", 80, "no"],
      ["solo", "lone", "udp 53", "no"],
      // (Of IPv6, br_netfilter would see neighbour discovery and drop it, and Docker links by IPv4 alone.)
      ["friend", "lone", 81, "friend", kernel ? undefined : 4],
      ["friend", "lone", 80, "no"],
      ["solo", "lone", 81, "no"],
      ["remote", "engine.lan", 8087, "remote"],
      ["engine", "lone", 80, "gateway of lone"],
      // Who is trusted is as near as the host: published ports are open there.
      ["remote", "known", 80, "remote"],
      ["remote", "known", 81, "no"],
      ["other", "known", 80, "no"],
      // This host has not become a router for others.
      ["remote", "other's address", 80, "no"],
    ];

    function resolve(name: string, six: boolean): string {
      const of = (host: { ipv4: string; ipv6: string }) => (six ? host.ipv6 : host.ipv4);
      if (name.startsWith("gateway of ")) {
        return of(all[name.slice(11) as Who]!).replace(six ? /::\d+$/ : /\.\d+$/, six ? "::1" : ".1");
      }
      if (name === "other's address") return of(all.other);
      const [host, lan] = name.split(".") as [Who, string?];
      if (/^[\d:]/.test(name)) return name;
      return of(lan ? all[host]!.ports[lan]! : all[host]!);
    }

    const cases = ROWS.flatMap(([from, to, port, as, only]) =>
      ([4, 6] as const)
        .filter((v) => only === undefined || only === v)
        .map((v) => [from, to, port, as, v] as const),
    );

    // All are asked at once: half of them wait for what never comes.
    let answers: Promise<string[]> | undefined;
    const askAll = (): Promise<string[]> =>
      (answers ??= (async () => {
        const { remote } = hosts.host;
        for (const [subnet, via] of [
          ["198.51.100.0/24", "192.0.2.1"],
          ["2001:db8:1::/64", "2001:db8::1"],
        ]) {
          await remote.ok("ip", "route", "add", subnet!, "via", via!);
        }
        return Promise.all(
          cases.map(([from, to, port, as, v]) => {
            const [protocol, number] =
              typeof port === "number" ? (["tcp", port] as const) : (["udp", Number(port.slice(4))] as const);
            return agents[from].ask(protocol, resolve(to, v === 6), number, as === "no" ? 2 : 10);
          }),
        );
      })());

    for (const [n, [from, to, port, as, v]] of cases.entries()) {
      test(`${from} → ${to} ${port} by IPv${v}: ${as}`, async () => {
        const answer = (await askAll())[n]!;
        if (as === "no") expect(answer).toBe("nothing");
        // The kernel does not send an ICMP error for every datagram to nobody.
        else if (as === "refused")
          expect(answer).toMatch(typeof port === "number" ? /^refused$/ : /^(refused|nothing)$/);
        else expect(answer).toBe(resolve(as, v === 6));
      }, 60_000);
    }
  },
);
