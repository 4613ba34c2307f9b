/**
 * Ports that are held and forwarded by the shim and its ts-proxy, between network namespaces: a client, the host, and a
 * container's.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PortProxy } from "../../src/engine/network/proxy/client.ts";
import type { HeldPort } from "../../src/engine/network/types.ts";
import { Poller } from "../../src/engine/shim/poller.ts";
import type { ShimClient } from "../../src/engine/shim/types.ts";
import { bindPort } from "../../src/ffi/inet.ts";
import { closeFd, pipe } from "../../src/ffi/libc.ts";
import { loadBusybox } from "../support/busybox.ts";
import { Dockerd } from "../support/dockerd.ts";
import { type Host, type Hosts, makeHosts } from "../support/hosts.ts";
import { alive, ShimHarness, until } from "./shim-harness.ts";

const TRAFFIC = new URL("../support/traffic.ts", import.meta.url).pathname;
const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
const SECOND = "192.0.2.100";

let hosts: Hosts<"host" | "client" | "box">;
let host: Host;
let client: Host;
let box: Host;
let harness: ShimHarness;
let shim: ShimClient;
const children: Bun.Subprocess[] = [];

const port = (more: Partial<HeldPort> = {}): HeldPort => ({
  protocol: "tcp",
  hostIp: "0.0.0.0",
  hostPort: 8080,
  to: { ip: box.ipv4, port: 80 },
  ...more,
});
const heldOnly = (more: Partial<HeldPort> = {}): HeldPort => {
  const { to: _, ...held } = port(more);
  return held;
};

/** A child, and its lines one after the other. */
async function start(where: Host, ...words: string[]) {
  const child = where.spawn([process.execPath, TRAFFIC, ...words]);
  children.push(child);
  const reader = child.stdout.getReader();
  let rest = "";
  const next = async (): Promise<string> => {
    while (!rest.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`ended after ${JSON.stringify(rest)}`);
      rest += Buffer.from(value).toString();
    }
    const end = rest.indexOf("\n");
    const line = rest.slice(0, end);
    rest = rest.slice(end + 1);
    return line;
  };
  return { child, next };
}

async function server(kind: "serve" | "echo", address = "0.0.0.0", at = 80): Promise<void> {
  const { next } = await start(box, kind, address, String(at));
  expect(await next()).toBe("ready");
}

const ask = (where: Host, address: string, at = 8080, bytes = 10): Promise<string> =>
  where.ok(process.execPath, TRAFFIC, "ask", address, String(at), String(bytes));

/** Of our host alone. */
async function proxies(): Promise<number[]> {
  const pids = (await host.ok("ip", "netns", "pids", host.netns)).split("\n").map(Number);
  return pids.filter((pid) => comm(pid) === "ts-proxy" && alive(pid));
}

function comm(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

async function proxy(not = 0): Promise<number> {
  let found = 0;
  await until(async () => {
    found = (await proxies()).find((pid) => pid !== not) ?? 0;
    return found !== 0;
  }, "a proxy");
  return found;
}

const noProxy = () => until(async () => (await proxies()).length === 0, "the end of the proxy");
const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
/** PSS in KiB. */
const memory = (pid: number): number =>
  Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))![1]);

beforeAll(async () => {
  hosts = await makeHosts({ lan: ["host", "client", "box"] });
  ({ host, client, box } = hosts.host);
  await host.ok("ip", "addr", "add", `${SECOND}/24`, "dev", "lan");
  await host.ok("ip", "addr", "add", "2001:db8::100/64", "dev", "lan", "nodad");
  harness = new ShimHarness();
  harness.under = host.under;
  shim = await harness.connect();
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill();
    await child.exited;
  }
  for (const endpoint of await shim.heldPorts()) await shim.holdPorts(endpoint, []);
  await noProxy();
});

afterAll(async () => {
  await harness?.dispose();
  await hosts?.[Symbol.asyncDispose]();
});

describe("a port that is only held", () => {
  const unanswered = async (): Promise<void> => {
    const asked = await client.run("timeout", "1", process.execPath, TRAFFIC, "ask", host.ipv4, "8080");
    expect(asked.status).toBe(124);
  };
  test("cannot be taken, answers nobody, and needs no proxy", async () => {
    await shim.holdPorts("e", [heldOnly(), heldOnly({ protocol: "udp" })]);
    expect(await shim.heldPorts()).toEqual(["e"]);
    const taken = await host.run(process.execPath, TRAFFIC, "serve", "0.0.0.0", "8080");
    expect(taken.stderr).toContain("EADDRINUSE");
    await unanswered();
    expect(await proxies()).toEqual([]);
  });
  test("that is somebody's is an error in Docker's words, and changes nothing", async () => {
    const other = heldOnly({ hostPort: 8081 });
    await shim.holdPorts("e", [heldOnly()]);
    await expect(shim.holdPorts("f", [other, heldOnly()])).rejects.toThrow(
      "failed to bind host port 0.0.0.0:8080/tcp: address already in use",
    );
    expect(await shim.heldPorts()).toEqual(["e"]);
    await shim.holdPorts("g", [other]);
    await expect(shim.holdPorts("e", [heldOnly(), other])).rejects.toThrow("8081/tcp");
    await shim.holdPorts("g", []);
    await shim.holdPorts("e", [heldOnly(), other]);
    expect(await shim.heldPorts()).toEqual(["e"]);
  });
  test("is held again by the shim's successor, and may become a forwarded one and back", async () => {
    await server("serve");
    await shim.holdPorts("e", [heldOnly()]);
    const before = harness.shimPid();
    process.kill(before, "SIGKILL");
    await until(() => ![0, before].includes(harness.shimPid()), "another shim");
    expect(await shim.heldPorts()).toEqual(["e"]);
    await expect(shim.holdPorts("f", [heldOnly()])).rejects.toThrow("address already in use");
    await shim.holdPorts("e", [port()]);
    expect(await ask(client, host.ipv4)).toBe(`10 from ${host.ipv4}`);
    await shim.holdPorts("e", [heldOnly()]);
    await unanswered();
  });
});

describe("a TCP port is forwarded", () => {
  test("both ways, each to its own end", async () => {
    await server("serve");
    await shim.holdPorts("e", [port()]);
    expect(await ask(client, host.ipv4)).toBe(`10 from ${host.ipv4}`);
    expect(await ask(client, SECOND, 8080, 50_000_000)).toBe(`50000000 from ${host.ipv4}`);
    expect(await ask(client, host.ipv4, 8080, 0)).toBe(`0 from ${host.ipv4}`);
  });
  test("from IPv6 to IPv4, and the other way", async () => {
    await server("serve");
    await server("serve", box.ipv6, 81);
    await shim.holdPorts("e", [
      port({ hostIp: "::" }),
      port({ hostPort: 8081, to: { ip: box.ipv6, port: 81 } }),
      port({ hostIp: "::1", hostPort: 8082 }),
    ]);
    expect(await ask(client, host.ipv6)).toBe(`10 from ${host.ipv4}`);
    expect(await ask(client, host.ipv4, 8081)).toMatch(/^10 from 2001:db8::/);
    expect(await ask(host, "::1", 8082)).toBe(`10 from ${host.ipv4}`);
  });
  test("to nobody: the client's connection ends", async () => {
    await shim.holdPorts("e", [port({ to: { ip: box.ipv4, port: 9 } })]);
    expect(await ask(client, host.ipv4)).toBe("");
  });
  test("to another place from now on: connections to the first end", async () => {
    await server("serve");
    await server("serve", "0.0.0.0", 81);
    await shim.holdPorts("e", [port()]);
    const { child, next } = await start(client, "hold", host.ipv4, "8080");
    child.stdin.write("hello\n");
    child.stdin.flush();
    expect(await next()).toBe("hello");
    await shim.holdPorts("e", [port({ to: { ip: box.ipv4, port: 81 } })]);
    expect(await next()).toBe("closed");
    expect(await ask(client, host.ipv4)).toBe(`10 from ${host.ipv4}`);
  });
});

describe("a UDP port is forwarded", () => {
  const datagram = (address: string, size = 10) =>
    client.ok(process.execPath, TRAFFIC, "datagram", address, "8080", String(size));
  test("and replies come from the address that was asked", async () => {
    await server("echo");
    await shim.holdPorts("e", [port({ protocol: "udp" })]);
    expect(await datagram(host.ipv4)).toBe(`10 from ${host.ipv4} 8080`);
    expect(await datagram(SECOND)).toBe(`10 from ${SECOND} 8080`);
    expect(await datagram(host.ipv4, 60_000)).toBe(`60000 from ${host.ipv4} 8080`);
    expect(await datagram(host.ipv4, 0)).toBe(`0 from ${host.ipv4} 8080`);
  });
  test("over IPv6, to either family", async () => {
    await server("echo");
    await shim.holdPorts("e", [port({ protocol: "udp", hostIp: "::" })]);
    expect(await datagram(host.ipv6)).toBe(`10 from ${host.ipv6} 8080`);
    expect(await datagram("2001:db8::100")).toBe("10 from 2001:db8::100 8080");
  });
  test("to a container whose server comes later", async () => {
    await shim.holdPorts("e", [port({ protocol: "udp" })]);
    const first = await client.run(process.execPath, TRAFFIC, "datagram", host.ipv4, "8080");
    expect(first.status).toBe(1);
    await server("echo");
    expect(await datagram(host.ipv4)).toBe(`10 from ${host.ipv4} 8080`);
  }, 10_000);
});

test("over 3,000 connections in turn, and 5,000 at once, nothing leaks", async () => {
  await server("serve");
  await shim.holdPorts("e", [port()]);
  const turn = (count: number) =>
    client.ok(process.execPath, TRAFFIC, "turn", host.ipv4, "8080", String(count));
  expect(await turn(100)).toBe("100 answers");
  const pid = await proxy();
  const before = { files: openFiles(pid), memory: memory(pid) };
  expect(await turn(3000)).toBe("3000 answers");
  await until(() => openFiles(pid) <= before.files + 64, "connections to be closed");
  expect(memory(pid)).toBeLessThan(before.memory + 64);

  const { child, next } = await start(client, "crowd", host.ipv4, "8080", "5000");
  expect(await next()).toBe("open");
  await until(() => openFiles(pid) >= 10_000, "5,000 connections");
  child.stdin.write("go\n");
  child.stdin.flush();
  expect(await next()).toBe("5000 answers");
  await until(() => openFiles(pid) <= before.files + 64, "connections to be closed");
  expect(await proxy()).toBe(pid);
}, 60_000);

describe("the proxy", () => {
  test("is one for all ports, small, and ends with the last", async () => {
    await shim.holdPorts("e", [port()]);
    await shim.holdPorts("f", [port({ hostPort: 8081 }), port({ protocol: "udp" })]);
    const pid = await proxy();
    expect(await proxies()).toEqual([pid]);
    expect(memory(pid)).toBeLessThan(200);
    await shim.holdPorts("e", []);
    expect(await proxy()).toBe(pid);
    await shim.holdPorts("f", []);
    await noProxy();
  });
  test("has let go of a port when that is given back, however long it takes", async () => {
    await shim.holdPorts("e", [port()]);
    await shim.holdPorts("f", [port({ hostPort: 8081 })]);
    const pid = await proxy();
    process.kill(pid, "SIGSTOP");
    const released = shim.holdPorts("e", []);
    setTimeout(() => process.kill(pid, "SIGCONT"), 200);
    await released;
    await shim.holdPorts("g", [port()]);
  });
  test("accepts again within a second after kill -9, and who came meanwhile waits", async () => {
    await server("serve");
    await shim.holdPorts("e", [port()]);
    const pid = await proxy();
    process.kill(pid, "SIGKILL");
    const begin = performance.now();
    expect(await ask(client, host.ipv4)).toBe(`10 from ${host.ipv4}`);
    expect(performance.now() - begin).toBeLessThan(1000);
    expect(await proxy()).not.toBe(pid);
  });
  test("goes on with its connections when shim and daemon are gone, and is the next shim's", async () => {
    await server("serve");
    await shim.holdPorts("e", [port(), port({ hostPort: 8081 })]);
    const pid = await proxy();
    const { child, next } = await start(client, "hold", host.ipv4, "8080");
    const say = async (line: string): Promise<void> => {
      child.stdin.write(`${line}\n`);
      child.stdin.flush();
      expect(await next()).toBe(line);
    };
    await say("one");
    // Nobody starts another shim: the daemon is down.
    shim.close();
    process.kill(harness.shimPid(), "SIGKILL");
    await until(() => harness.shimPid() === 0, "the end of the shim");
    await say("two");
    expect(await ask(client, host.ipv4)).toBe(`10 from ${host.ipv4}`);
    shim = await harness.connect();
    expect(await shim.heldPorts()).toEqual(["e"]);
    await say("three");
    expect(await proxy()).toBe(pid);
    // The sockets are the new shim's as well: it can start another.
    process.kill(pid, "SIGKILL");
    expect(await ask(client, host.ipv4, 8081)).toBe(`10 from ${host.ipv4}`);
  });
  test("that is stopped is replaced by the next shim, which serves meanwhile", async () => {
    await server("serve");
    await shim.holdPorts("e", [port()]);
    const pid = await proxy();
    process.kill(pid, "SIGSTOP");
    const before = harness.shimPid();
    process.kill(before, "SIGKILL");
    const begin = performance.now();
    expect(await shim.list()).toEqual([]);
    expect(performance.now() - begin).toBeLessThan(2000);
    expect(await shim.heldPorts()).toEqual(["e"]);
    expect(await proxy(pid)).not.toBe(pid);
    expect(await ask(client, host.ipv4)).toBe(`10 from ${host.ipv4}`);
  }, 15_000);
  test("ends with an idle shim whose daemon is gone", async () => {
    await shim.holdPorts("e", [port()]);
    await proxy();
    shim.close();
    await noProxy();
    await until(() => harness.shimPid() === 0, "the end of the shim");
    shim = await harness.connect();
    expect(await shim.heldPorts()).toEqual([]);
  }, 15_000);
  test("ends when its exec root is gone and nobody can come any more", async () => {
    const folder = mkdtempSync(join(tmpdir(), "proxy-"));
    const poller = new Poller();
    await poller.start();
    const client = new PortProxy(join(folder, "proxy.sock"), poller, (message) => {
      throw new Error(message);
    });
    const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    free.stop();
    const fd = bindPort({ protocol: "tcp", ip: "127.0.0.1", port: free.port });
    const children = () => readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
    const mine = () => children().filter((pid) => comm(Number(pid)) === "ts-proxy" && alive(Number(pid)));
    try {
      const to = { ip: "127.0.0.1", port: 1 };
      client.add({ port: port({ hostIp: "127.0.0.1", hostPort: free.port, to }), fd });
      await until(() => existsSync(join(folder, "proxy.sock")) && mine().length === 1, "a proxy");
      // It has been told of its port when it takes a connection, and ends it: nobody is where it goes.
      await new Promise<void>((resolve) => {
        const socket = { data() {}, close: () => resolve() };
        void Bun.connect({ hostname: "127.0.0.1", port: free.port, socket });
      });
      client.close();
      await Bun.sleep(2500);
      expect(mine()).toHaveLength(1);
    } finally {
      client.close();
      poller.close();
      rmSync(folder, { recursive: true });
      closeFd(fd);
    }
    await until(() => mine().length === 0, "its end");
  }, 15_000);
  test("is started again by the shim while the daemon is down", async () => {
    await server("serve");
    const id = await harness.launch(shim, ["sleep", "1000"]);
    await shim.holdPorts("e", [port()]);
    const pid = await proxy();
    shim.close();
    process.kill(pid, "SIGKILL");
    expect(await ask(client, host.ipv4)).toBe(`10 from ${host.ipv4}`);
    shim = await harness.connect();
    await shim.signal(id, 9);
    await harness.exit(id);
  });
});

describe("as docker-proxy", () => {
  /** As dockerd starts it: its word comes through fd 3. */
  async function run(...flags: string[]): Promise<{ said: string; child: Bun.Subprocess }> {
    const script = 'exec 3>&1 1>&2; exec "$@"';
    const child = host.spawn(["bash", "-c", script, "-", process.execPath, MAIN, "ts-proxy", ...flags]);
    children.push(child);
    return { said: await new Response(child.stdout).text(), child };
  }
  const forward = (hostPort: number) =>
    run(
      ...`-proto tcp -host-ip 0.0.0.0 -host-port ${hostPort} -container-ip ${box.ipv4} -container-port 80`.split(
        " ",
      ),
    );
  test("forwards its port, says so, and ends well when told to", async () => {
    await server("serve");
    const { said, child } = await forward(8085);
    expect(said).toBe("0\n");
    expect(await ask(client, host.ipv4, 8085)).toBe(`10 from ${host.ipv4}`);
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
  });
  test("says why it cannot", async () => {
    await shim.holdPorts("e", [heldOnly({ hostPort: 8086 })]);
    const { said, child } = await forward(8086);
    expect(said).toBe(
      "1\nfailed to listen on 0.0.0.0:8086: listen tcp4 0.0.0.0:8086: bind: address already in use",
    );
    expect(await child.exited).toBe(1);
    expect((await run("-proto", "icmp")).said).toBe("1\nunsupported protocol icmp");
  });
  test("takes a socket that listens already, as newer dockerds give it", async () => {
    using backend = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { open: (socket) => void socket.end("hello"), data() {} },
    });
    // Of the machine's loopback: a port that nobody has.
    const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    free.stop();
    const at = { protocol: "tcp", ip: "127.0.0.1", port: free.port } as const;
    const [socket, said] = [bindPort(at), pipe()];
    const words = `-proto tcp -host-ip 127.0.0.1 -host-port ${free.port} -container-ip 127.0.0.1`;
    const child = Bun.spawn(
      [
        process.execPath,
        MAIN,
        "ts-proxy",
        ...words.split(" "),
        "-container-port",
        `${backend.port}`,
        "-use-listen-fd",
      ],
      { stdio: ["ignore", "ignore", "inherit", said.write, socket] },
    );
    children.push(child);
    closeFd(said.write);
    closeFd(socket);
    expect(await new Response(Bun.file(said.read).stream()).text()).toBe("0\n");
    const answer = Promise.withResolvers<string>();
    await Bun.connect({
      hostname: "127.0.0.1",
      port: free.port,
      socket: { data: (_, bytes) => answer.resolve(bytes.toString()) },
    });
    expect(await answer.promise).toBe("hello");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });
  test("serves Debian's dockerd", async () => {
    await using dockerd = new Dockerd(host.under);
    const program = join(dockerd.folder, "docker-proxy");
    writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${MAIN} ts-proxy "$@"\n`, { mode: 0o755 });
    await dockerd.start("--userland-proxy-path", program);
    const docker = (...words: string[]) => client.ok("docker", "-H", `unix://${dockerd.socket}`, ...words);
    loadBusybox(dockerd);
    await docker("run", "-d", "--name", "web", "-p", "127.0.0.1:8090:80", "busybox", "sleep", "1000");
    const pid = await docker("inspect", "-f", "{{.State.Pid}}", "web");
    const inside = [
      "nsenter",
      `--net=/proc/${pid}/ns/net`,
      process.execPath,
      TRAFFIC,
      "serve",
      "0.0.0.0",
      "80",
    ];
    children.push(Bun.spawn(inside, { stdio: ["ignore", "ignore", "inherit"] }));
    // By the address of loopback, which its rules leave to the proxy.
    const answered = async () => /^10 from 172\./.test(await ask(host, "127.0.0.1", 8090));
    await until(answered, "an answer through the proxy");
    expect((await proxies()).length).toBe(1);
    await docker("rm", "-f", "web");
    await noProxy();
  }, 60_000);
});
