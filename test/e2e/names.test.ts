/**
 * Names inside of containers: the real shim answers, real clients ask, in network namespaces that are nobody else's. The
 * sandbox is a namespace with a link to a "server", which runs what a container's upstream may be.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EndpointNames, SandboxNames } from "../../src/engine/network/types.ts";
import type { ShimClient } from "../../src/engine/shim/types.ts";
import { type Host, type Hosts, makeHosts } from "../support/hosts.ts";
import { PIPES, ShimHarness, until } from "./shim-harness.ts";

const PORTS = { udp: 40053, tcp: 40054 };
const UPSTREAM = new URL("../support/upstream.ts", import.meta.url).pathname;

let folder: string;
let harness: ShimHarness;
let shim: ShimClient;
let hosts: Hosts<"box" | "server">;
let box: Host;
let server: Host;
let id: string;
const children: Bun.Subprocess[] = [];

const endpoint = (container: string, more: Partial<EndpointNames>): EndpointNames => ({
  id: `${container}-front`,
  network: "n1",
  networkName: "front",
  container,
  names: [container],
  addresses: [],
  ...more,
});

function sandbox(more: Partial<SandboxNames> = {}): SandboxNames {
  const netns = `/run/netns/${box.netns}`;
  return { id, netns, networks: ["n1"], links: {}, upstreams: [], external: true, ...more };
}

/** A server in the other namespace; see test/support/upstream.ts for what it can do. */
async function upstream(port: number, behaviour: string, address = server.ipv4): Promise<void> {
  const child = Bun.spawn([...server.under, process.execPath, UPSTREAM, address, String(port), behaviour], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
}

const dig = (...words: string[]): Promise<string> =>
  box.ok("dig", "@127.0.0.11", "+tries=1", "+timeout=15", ...words);
const short = async (...words: string[]): Promise<string[]> =>
  (await dig("+short", ...words)).split("\n").filter(Boolean).toSorted();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsd-e2e-names-"));
  writeFileSync(join(folder, "resolv.conf"), "nameserver 127.0.0.11\nsearch front\noptions ndots:0\n");
  hosts = await makeHosts({ lan: ["box", "server"] });
  ({ box, server } = hosts.host);
  // As wiring does it, when it makes a sandbox.
  await box.ok(
    "nft",
    `table ip names {
      chain out {
        type nat hook output priority -100;
        ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:${PORTS.udp}
        ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:${PORTS.tcp}
      }
    }`,
  );
  harness = new ShimHarness();
  shim = await harness.connect();
  id = harness.id();
  const spec = harness.spec(id, ["sleep", "1000"], { namespaces: ["pid", "mount", "uts"] });
  spec.linux!.namespaces!.push({ type: "network", path: `/run/netns/${box.netns}` });
  await shim.launch({
    id,
    spec,
    rootfs: { kind: "path", path: harness.rootfs },
    io: PIPES,
    log: { driver: "none" },
    init: false,
    names: PORTS,
  });
  await shim.putNames({
    sandboxes: [sandbox()],
    endpoints: [
      endpoint("web", { names: ["web", "Alias", "0123456789ab"], addresses: ["172.30.0.2", "fd00::2"] }),
      endpoint("four", { addresses: ["172.30.0.3"] }),
      endpoint("other", { id: "other-back", network: "n2", networkName: "back", addresses: ["172.31.0.2"] }),
    ],
  });
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill();
    await child.exited;
  }
});

afterAll(async () => {
  await harness?.dispose();
  await hosts?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("what is in the container's networks", () => {
  test("has addresses by name, alias, short id, and name with network, in any letters", async () => {
    for (const name of ["web", "WEB", "alias", "0123456789ab", "web.front", "web."])
      expect(await short(name)).toEqual(["172.30.0.2"]);
    expect(await short("web", "AAAA")).toEqual(["fd00::2"]);
  });
  test("has no address of the family that it lacks, and is there nevertheless", async () => {
    const answer = await dig("four", "AAAA");
    expect(answer).toContain("status: NOERROR");
    expect(answer).toContain("ANSWER: 0");
    expect(await dig("four", "MX")).toContain("status: NOERROR");
  });
  test("has a name by address", async () => {
    expect(await short("-x", "172.30.0.2")).toEqual(["web.front."]);
    expect(await short("-x", "fd00::2")).toEqual(["web.front."]);
  });
  test("is asked over TCP as well, several times on one connection", async () => {
    expect(await short("+tcp", "web")).toEqual(["172.30.0.2"]);
    expect(await dig("+tcp", "+keepopen", "+short", "web", "four")).toBe("172.30.0.2\n172.30.0.3");
  });
  test("is not what is in others", async () => {
    expect(await dig("other")).toContain("status: SERVFAIL");
    expect(await dig("other.back")).toContain("status: SERVFAIL");
    await shim.putNames({ sandboxes: [sandbox({ networks: ["n1", "n2"], links: { store: "other" } })] });
    expect(await short("other")).toEqual(["172.31.0.2"]);
    expect(await short("store")).toEqual(["172.31.0.2"]);
    await shim.putNames({ sandboxes: [sandbox()] });
    expect(await dig("store")).toContain("status: SERVFAIL");
  });
  test("is found by C libraries: glibc's and busybox's", async () => {
    const mount = `mount --bind ${folder}/resolv.conf /etc/resolv.conf`;
    const inside = (command: string) => box.ok("unshare", "-m", "sh", "-c", `${mount} && ${command}`);
    expect(await inside("getent hosts web")).toContain("fd00::2");
    expect(await inside("getent ahostsv4 alias")).toContain("172.30.0.2");
    expect(await inside("getent hosts 172.30.0.2")).toContain("web.front");
    expect(await inside("busybox nslookup web 127.0.0.11")).toContain("172.30.0.2");
  });
});

test("a name of many is answered by all of them, over TCP when they are too many, and by each first in turn", async () => {
  const crowd = Array.from({ length: 100 }, (_, i) =>
    endpoint(`crowd${i}`, { names: ["crowd"], addresses: [`172.30.1.${i}`] }),
  );
  await shim.putNames({ endpoints: crowd });
  expect(await dig("+noedns", "+ignore", "crowd")).toMatch(/flags: qr tc/);
  expect(await short("+noedns", "crowd")).toHaveLength(100);
  expect(await dig("+bufsize=4096", "+ignore", "crowd")).toContain("ANSWER: 100");
  const first = async () => (await dig("+bufsize=4096", "+short", "crowd")).split("\n")[0];
  expect(await first()).not.toBe(await first());
  await shim.removeNames({ endpoints: crowd.map((each) => each.id) });
  expect(await dig("crowd")).toContain("status: SERVFAIL");
});

describe("all else is asked of the container's servers", () => {
  const upstreams = (...ports: number[]): SandboxNames =>
    sandbox({ upstreams: ports.map((port) => ({ address: server.ipv4, from: "sandbox" as const, port })) });

  test("from its own namespace, over UDP and TCP, every type", async () => {
    await upstream(5301, "answer");
    await shim.putNames({ sandboxes: [upstreams(5301)] });
    expect(await short("example.com")).toEqual(["10.9.9.9"]);
    expect(await short("+tcp", "example.com")).toEqual(["10.9.9.9"]);
    expect(await short("_x._tcp.example.com", "SRV")).toEqual(["1 2 53 srv.example."]);
    expect(await short("web")).toEqual(["172.30.0.2"]);
  });
  test("by a link-local address, whose zone is a link of the namespace", async () => {
    const own = (await server.ok("ip", "-6", "-o", "addr", "show", "dev", "lan", "scope", "link")).split(
      /\s+/,
    )[3]!;
    const address = own.split("/")[0]!;
    await upstream(5312, "answer", `${address}%lan`);
    const asked = { address: `${address}%lan`, from: "sandbox" as const, port: 5312 };
    await shim.putNames({ sandboxes: [sandbox({ upstreams: [asked] })] });
    expect(await short("example.com")).toEqual(["10.9.9.9"]);
    expect(await short("+tcp", "example.com")).toEqual(["10.9.9.9"]);
    await shim.putNames({ sandboxes: [sandbox({ upstreams: [{ ...asked, address: "fe80::1%none" }] })] });
    expect(await dig("example.com")).toContain("status: SERVFAIL");
  });
  test("the next one when one refuses, fails, or is not there", async () => {
    await upstream(5302, "refuse");
    await upstream(5303, "fail");
    await upstream(5304, "answer");
    await shim.putNames({ sandboxes: [upstreams(5302, 5303, 5304)] });
    expect(await short("example.com")).toEqual(["10.9.9.9"]);
    const start = performance.now();
    await shim.putNames({ sandboxes: [upstreams(5399, 5304)] });
    expect(await short("example.com")).toEqual(["10.9.9.9"]);
    expect(await short("+tcp", "example.com")).toEqual(["10.9.9.9"]);
    expect(performance.now() - start).toBeLessThan(3000);
    await shim.putNames({ sandboxes: [upstreams(5302, 5303)] });
    expect(await dig("example.com")).toContain("status: SERVFAIL");
  });
  test("the next one after four seconds when one is silent, others are answered meanwhile", async () => {
    await upstream(5305, "silent");
    await upstream(5306, "answer");
    await shim.putNames({ sandboxes: [upstreams(5305, 5306)] });
    const start = performance.now();
    const slow = short("example.com");
    expect(await short("web")).toEqual(["172.30.0.2"]);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(await slow).toEqual(["10.9.9.9"]);
    expect(performance.now() - start).toBeGreaterThan(3900);
  }, 15_000);
  test("an answer that somebody forged is not believed", async () => {
    await upstream(5307, "forge");
    await shim.putNames({ sandboxes: [upstreams(5307)] });
    expect(await short("example.com")).toEqual(["10.9.9.9"]);
  });
  test("a question that comes back to us ends", async () => {
    // It forwards to 127.0.0.11 in the sandbox, as a container's own server may be told to.
    const child = Bun.spawn([...box.under, process.execPath, UPSTREAM, "127.0.0.1", "5308", "loop"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    const reader = child.stdout.getReader();
    await reader.read();
    await shim.putNames({
      sandboxes: [sandbox({ upstreams: [{ address: "127.0.0.1", from: "sandbox", port: 5308 }] })],
    });
    expect(await dig("example.com")).toContain("status: SERVFAIL");
    child.kill("SIGTERM");
    expect(Buffer.from((await reader.read()).value!).toString()).toBe("1 queries\n");
  }, 15_000);
  test("a flood of them is bounded, and holds up no name that is known", async () => {
    await upstream(5310, "silent");
    await shim.putNames({ sandboxes: [upstreams(5310)] });
    const files = () => readdirSync(`/proc/${harness.shimPid()}/fd`).length;
    const before = files();
    const refused = Number(await box.ok(process.execPath, UPSTREAM, "127.0.0.11", "53", "flood"));
    expect(refused).toBeGreaterThanOrEqual(1000);
    expect(files() - before).toBeGreaterThan(900);
    expect(files() - before).toBeLessThan(1100);
    expect(await short("web")).toEqual(["172.30.0.2"]);
    await until(() => files() < before + 10, "all questions to be given up", 30_000);
    await upstream(5311, "answer");
    await shim.putNames({ sandboxes: [upstreams(5311)] });
    expect(await short("example.com")).toEqual(["10.9.9.9"]);
  }, 60_000);
  test("of an internal network, nothing is asked from the host", async () => {
    await shim.putNames({
      sandboxes: [sandbox({ external: false, upstreams: [{ address: "127.0.0.1", from: "host", port: 1 }] })],
    });
    const start = performance.now();
    expect(await dig("example.com")).toContain("status: SERVFAIL");
    expect(performance.now() - start).toBeLessThan(2000);
  });
  test("not a name of one label, when ndots was asked for", async () => {
    await upstream(5309, "answer");
    await shim.putNames({ sandboxes: [{ ...upstreams(5309), ndots: true }] });
    expect(await dig("single")).toContain("ANSWER: 0");
    expect(await short("example.com")).toEqual(["10.9.9.9"]);
  });
});

test("rubbish of every length does no harm", async () => {
  const pid = harness.shimPid();
  await box.ok(process.execPath, UPSTREAM, "127.0.0.11", "53", "rubbish");
  expect(await short("web")).toEqual(["172.30.0.2"]);
  expect(await short("+tcp", "web")).toEqual(["172.30.0.2"]);
  expect(harness.shimPid()).toBe(pid);
});

describe("after kill -9 of the shim", () => {
  test("queries are answered within a second by its successor, by what the first was told", async () => {
    process.kill(harness.shimPid(), "SIGKILL");
    const start = performance.now();
    expect(await short("web")).toEqual(["172.30.0.2"]);
    expect(performance.now() - start).toBeLessThan(1000);
    expect(await short("+tcp", "-x", "172.30.0.2")).toEqual(["web.front."]);
  });
  test("a query that came while there was none waits for the next", async () => {
    shim.close();
    const pid = harness.shimPid();
    process.kill(pid, "SIGKILL");
    await until(() => harness.shimPid() === 0, "the end of the shim");
    const waiting = short("+timeout=20", "web");
    const overTcp = short("+timeout=20", "+tcp", "four");
    await Bun.sleep(300);
    shim = await harness.connect();
    expect(await waiting).toEqual(["172.30.0.2"]);
    expect(await overTcp).toEqual(["172.30.0.3"]);
  });
  test("what is synchronised is all there is", async () => {
    await shim.syncNames({
      sandboxes: [sandbox()],
      endpoints: [endpoint("new", { addresses: ["172.30.0.9"] })],
    });
    expect(await short("new")).toEqual(["172.30.0.9"]);
    expect(await dig("web")).toContain("status: SERVFAIL");
  });
});

test("the container's end closes its sockets in the shim", async () => {
  const sockets = async () =>
    (await Promise.all([box.ok("ss", "-Huln"), box.ok("ss", "-Htln")]))
      .join("\n")
      .split("\n")
      .filter((line) => line.includes("127.0.0.11:")).length;
  expect(await sockets()).toBe(2);
  await shim.signal(id, 9);
  await harness.exit(id);
  await until(async () => (await sockets()) === 0, "the end of the sockets");
});
