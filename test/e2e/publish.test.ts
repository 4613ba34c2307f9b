/** Ports of running containers, changed while they run; and what a flush, a signal and a stop make of their rules. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Agent } from "../support/agent.ts";
import { until } from "../support/daemon.ts";
import { type Hosts, makeHosts } from "../support/hosts.ts";
import { Stack } from "../support/stack.ts";

let hosts: Hosts<"engine" | "remote">;
let stack: Stack;
let remote: Agent;
const agents = new AsyncDisposableStack();

const engine = () => hosts.host.engine;
const ask = (port: number, protocol: "tcp" | "udp" = "tcp", seconds = 5) =>
  remote.ask(protocol, engine().ipv4, port, seconds);
async function tsd(...words: string[]): Promise<{ stdout: string; stderr: string; status: number }> {
  const child = Bun.spawn([stack.program, "-H", `unix://${stack.daemon.socket}`, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { stdout, stderr, status: await child.exited };
}
const address = (of: "engine" | "remote" = "remote"): string => hosts.host[of].ipv4;

/** A container that answers at 80 and 81 with the address that it sees. */
async function run(name: string, ...flags: string[]): Promise<Agent> {
  await stack.run(["--name", name, ...flags], "sleep 3600");
  return inside(name);
}

async function inside(name: string): Promise<Agent> {
  const path = await stack.inspect(name, "{{.NetworkSettings.SandboxKey}}");
  const under = ["nsenter", `--net=${path}`];
  return agents.use(await Agent.start({ under }, "tcp/80", "tcp/81", "udp/53"));
}

beforeAll(async () => {
  hosts = await makeHosts({ lan: ["engine", "remote"] });
  stack = await Stack.start({ under: [...engine().under] });
  remote = agents.use(await Agent.start(hosts.host.remote, "tcp/80"));
}, 60_000);

afterAll(async () => {
  await agents.disposeAsync();
  await stack?.[Symbol.asyncDispose]();
  await hosts?.[Symbol.asyncDispose]();
}, 60_000);

test("a port is published and another no more, while the container runs", async () => {
  await run("web", "-p", "9090:80", "-p", "9091:81");
  expect(await ask(9090)).toBe(address());
  const { stdout, stderr } = await tsd(
    "update",
    "--publish-add",
    "8080:80",
    "--publish-rm",
    "9090:80",
    "web",
  );
  expect([stdout, stderr]).toEqual(["web\n", ""]);
  expect(await ask(8080)).toBe(address());
  expect(await ask(9090)).toBe("refused");
  expect(await ask(9091)).toBe(address());
  expect((await tsd("port", "web")).stdout.split("\n").sort().join("\n").trim()).toBe(
    ["80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080", "81/tcp -> 0.0.0.0:9091", "81/tcp -> [::]:9091"].join(
      "\n",
    ),
  );
  expect(await stack.ok("ps", "--format", "{{.Ports}}", "--filter", "name=web")).toContain(
    "0.0.0.0:8080->80/tcp",
  );
}, 60_000);

test("a lone port that only the host has is no more published", async () => {
  await run("lone", "-p", "9190:80", "-p", "9191:81");
  expect(await ask(9190)).toBe(address());
  const { stdout, stderr } = await tsd("update", "--publish-rm", "9190", "lone");
  expect([stdout, stderr]).toEqual(["lone\n", ""]);
  expect(await ask(9190)).toBe("refused");
  expect(await ask(9191)).toBe(address());
  expect((await tsd("port", "lone")).stdout).toBe("81/tcp -> 0.0.0.0:9191\n81/tcp -> [::]:9191\n");
  await stack.ok("rm", "-f", "lone");
}, 60_000);

test("what cannot be had changes nothing", async () => {
  await run("second", "-p", "7000:80");
  const failed = await tsd(
    "update",
    "--publish-add",
    "7001:80",
    "--publish-add",
    "8080:81",
    "--publish-rm",
    "7000:80",
    "second",
  );
  expect(failed.status).toBe(1);
  expect(failed.stderr).toContain("Bind for 0.0.0.0:8080 failed: port is already allocated");
  expect(await ask(7000)).toBe(address());
  expect(await ask(7001)).toBe("refused");
  expect((await tsd("port", "second", "80/tcp")).stdout).toBe("0.0.0.0:7000\n[::]:7000\n");
  const other = await tsd("update", "--publish-rm", "1234", "second");
  expect(other.stderr).toContain("port 1234/tcp is not published");
  const listening = engine().spawn([
    "python3",
    "-c",
    "import socket; s = socket.create_server(('', 7002)); s.accept()",
  ]);
  await until(async () => (await engine().ok("ss", "-ltnH", "sport = :7002")) !== "", "a foreign listener");
  const taken = await tsd("update", "--publish-add", "7002:80", "second");
  expect(taken.stderr).toContain("failed to bind host port 0.0.0.0:7002/tcp: address already in use");
  listening.kill();
}, 60_000);

test("a port moves to one of the host's addresses and back, at the same number", async () => {
  await run("moves", "-p", "7100:80");
  const move = (from: string, to: string) =>
    tsd("update", "--publish-rm", from, "--publish-add", to, "moves");
  expect(await move("7100:80", "127.0.0.1:7100:80")).toMatchObject({ stdout: "moves\n", stderr: "" });
  expect((await tsd("port", "moves")).stdout).toBe("80/tcp -> 127.0.0.1:7100\n");
  expect(await ask(7100)).toBe("refused");
  // Two at once, of which the second is somebody's: nothing moves.
  const failed = await tsd(
    ...["update", "--publish-rm", "7100:80", "--publish-add", "7100:80", "--publish-add", "8080:81", "moves"],
  );
  expect(failed.stderr).toContain("Bind for 0.0.0.0:8080 failed: port is already allocated");
  expect((await tsd("port", "moves")).stdout).toBe("80/tcp -> 127.0.0.1:7100\n");
  expect(await move("7100:80", "7100:80")).toMatchObject({ stdout: "moves\n", stderr: "" });
  expect((await tsd("port", "moves")).stdout).toBe("80/tcp -> 0.0.0.0:7100\n80/tcp -> [::]:7100\n");
  expect(await ask(7100)).toBe(address());
  await stack.ok("rm", "-f", "moves");
}, 60_000);

test("who hears that a container has ended may use its ports", async () => {
  const script = [
    "import socket, subprocess, sys",
    "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)",
    "socket.socket().bind(('', 7200))",
  ].join("\n");
  for (const words of [["rm", "-f"], ["stop", "-t", "0"], ["kill"]]) {
    for (let n = 0; n < 3; n++) {
      await stack.run(["--name", "brief", "-p", "7200:80"], "sleep 3600");
      const docker = ["docker", "-H", `unix://${stack.daemon.socket}`, ...words, "brief"];
      const { stderr, exitCode } = Bun.spawnSync([...engine().under, "python3", "-c", script, ...docker]);
      expect([stderr.toString(), exitCode]).toEqual(["", 0]);
      if (words[0] !== "rm") await stack.ok("rm", "-f", "brief");
    }
  }
}, 60_000);

test("it is kept over stop and start, and by the next daemon", async () => {
  await stack.killDaemon();
  await stack.begin();
  expect(await ask(8080)).toBe(address());
  expect(await ask(9090)).toBe("refused");
  await stack.ok("stop", "-t", "0", "web");
  expect(await ask(8080)).toBe("refused");
  await tsd("update", "--publish-add", "8082:81", "web");
  await stack.ok("start", "web");
  await inside("web");
  for (const port of [8080, 9091, 8082]) expect(await ask(port)).toBe(address());
}, 60_000);

test("old connections on a removed port end; those on others stay", async () => {
  await tsd("update", "--publish-add", "8083:80", "web");
  const [gone, stays] = await Promise.all([talk(8083), talk(8080)]);
  await tsd("update", "--publish-rm", "8083:80", "web");
  // What is sent now is nobody's any more, and answered with a reset.
  await until(gone.ended, "the old connection's end", 10_000);
  expect(stays.ended()).toBe(false);
}, 60_000);

test("a flush is repaired within a second, and a reload of the daemon changes nothing", async () => {
  await engine().ok("nft", "flush", "ruleset");
  await until(async () => (await ask(8080, "tcp", 1)) === address(), "the port", 1500);
  process.kill(stack.daemon.pid, "SIGHUP");
  expect(await ask(8080)).toBe(address());
}, 30_000);

test("a daemon that ends with nothing running leaves no rule and no setting", async () => {
  await stack.ok("rm", "-f", "web", "second");
  await stack.daemon.stop("SIGTERM");
  expect(await engine().ok("nft", "list", "ruleset")).toBe("");
}, 30_000);

/** A connection from the remote host that is open, and says when it ended. */
async function talk(port: number): Promise<{ ended(): boolean }> {
  const program = `
import socket, sys, select
s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); s.recv(100); print("open", flush=True)
while True:
    s.sendall(b"x")
    if select.select([s], [], [], 0.1)[0]:
        try:
            if s.recv(100) == b"": break
        except OSError: break
print("ended", flush=True)`;
  const child = hosts.host.remote.spawn(["python3", "-c", program, engine().ipv4, String(port)]);
  let text = "";
  void (async () => {
    for await (const chunk of child.stdout) text += new TextDecoder().decode(chunk);
    text += "ended";
  })();
  agents.defer(() => child.kill());
  await until(() => text.includes("open"), `a connection to ${port}`);
  return { ended: () => text.includes("ended") };
}
