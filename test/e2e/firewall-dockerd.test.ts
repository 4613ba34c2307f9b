/** dockerd with its bridge and its iptables rules, and our daemon with ours, on one host: neither breaks the other. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Agent } from "../support/agent.ts";
import { loadBusybox } from "../support/busybox.ts";
import { until } from "../support/daemon.ts";
import { Dockerd } from "../support/dockerd.ts";
import { type Host, makeHosts } from "../support/hosts.ts";
import { Stack } from "../support/stack.ts";

const SAW = "192.0.2.2";

describe.each(["nftables", "iptables"] as const)("ours by %s, dockerd beside", (backend) => {
  const things = new AsyncDisposableStack();
  let engine: Host;
  let remote: Agent;
  let stack: Stack;
  let dockerd: Dockerd;
  const inside = {} as Record<"ours" | "theirs", { agent: Agent; ipv4: string }>;

  async function enter(pid: string, ipv4: string): Promise<{ agent: Agent; ipv4: string }> {
    const under = ["nsenter", "-n", "-t", pid];
    return { agent: things.use(await Agent.start({ under }, "tcp/80", "tcp/81")), ipv4 };
  }

  async function theirs(...words: string[]): Promise<string> {
    const child = Bun.spawn(["docker", "-H", `unix://${dockerd.socket}`, ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    if ((await child.exited) !== 0) throw new Error(`docker ${words.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  const format = "{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";

  beforeAll(async () => {
    const hosts = things.use(await makeHosts({ lan: ["engine", "remote"] }));
    engine = hosts.host.engine;
    await engine.ok("sysctl", "-qw", "net.ipv4.ip_forward=0");
    remote = things.use(await Agent.start(hosts.host.remote, "tcp/80"));
    dockerd = things.use(await new Dockerd([...engine.under]).start());
    stack = things.use(
      await Stack.start({ under: [...engine.under], args: ["--firewall-backend", backend] }),
    );
    loadBusybox(dockerd);
    await theirs("run", "-d", "--name", "theirs", "-p", "9000:80", "busybox", "sleep", "3600");
    await stack.run(["--name", "ours", "-p", "8080:80"], "sleep 3600");
    for (const host of ["172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16"]) {
      await hosts.host.remote.ok("ip", "route", "add", host, "via", engine.ipv4);
    }
    const ours = (await stack.ok("inspect", "-f", format, "ours")).split(" ") as [string, string];
    inside.ours = await enter(...ours);
    await enterTheirs();
  }, 90_000);

  async function enterTheirs(): Promise<void> {
    const other = (await theirs("inspect", "-f", format, "theirs")).split(" ") as [string, string];
    inside.theirs = await enter(...other);
  }

  afterAll(async () => {
    await things.disposeAsync();
  }, 60_000);

  const reach = (port: number, seconds = 5) => remote.ask("tcp", engine.ipv4, port, seconds);

  /** Both are reached, and reach out; neither reaches the other's containers but by what is published. */
  async function check(): Promise<void> {
    const { ours, theirs: other } = inside;
    const good = await Promise.all([
      reach(8080),
      reach(9000),
      ours.agent.ask("tcp", "192.0.2.2", 80),
      other.agent.ask("tcp", "192.0.2.2", 80),
    ]);
    expect(good).toEqual([SAW, SAW, "192.0.2.1", "192.0.2.1"]);
    const bad = await Promise.all([
      ours.agent.ask("tcp", other.ipv4, 81, 2),
      other.agent.ask("tcp", ours.ipv4, 81, 2),
      other.agent.ask("tcp", ours.ipv4, 80, 2),
      remote.ask("tcp", ours.ipv4, 80, 2),
      remote.ask("tcp", other.ipv4, 81, 2),
    ]);
    expect(bad.filter((answer) => answer !== "nothing")).toEqual([]);
    expect(await ours.agent.ask("tcp", engine.ipv4, 9000)).not.toMatch(/nothing|refused/);
    expect(await other.agent.ask("tcp", engine.ipv4, 8080)).not.toMatch(/nothing|refused/);
  }

  test("both work", check, 60_000);

  test("both work when dockerd begins again, and makes its rules anew", async () => {
    await theirs("stop", "-t", "0", "theirs");
    await dockerd.restart();
    await theirs("start", "theirs");
    await until(async () => (await reach(8080, 1)) === SAW, "our port", 10_000);
    await enterTheirs();
    await check();
  }, 90_000);

  test("both work when our daemon is killed and begins again", async () => {
    await stack.killDaemon();
    await stack.begin();
    await check();
  }, 60_000);

  test("when we are gone, dockerd's rules are as if we had never been", async () => {
    await stack.ok("rm", "-f", "ours");
    await stack.daemon.stop("SIGTERM");
    expect(await engine.ok("nft", "list", "ruleset")).not.toContain("tsd-");
    expect(await reach(9000)).toBe(SAW);
    expect(await reach(8080, 2)).toBe("refused");
  }, 60_000);
});
