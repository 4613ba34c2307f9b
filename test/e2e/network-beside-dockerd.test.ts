/**
 * Ours is there first, and dockerd comes to the same host, makes networks of its own, goes, and comes again: neither
 * takes the other's addresses, links or rules. (firewall-dockerd.test.ts has dockerd first.)
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Agent } from "../support/agent.ts";
import { loadBusybox } from "../support/busybox.ts";
import { type Daemon, until } from "../support/daemon.ts";
import { Dockerd } from "../support/dockerd.ts";
import { type Host, makeHosts } from "../support/hosts.ts";

describe.each(["nftables", "iptables"] as const)("ours by %s, then dockerd", (backend) => {
  const things = new AsyncDisposableStack();
  let engine: Host;
  let remote: Agent;
  let daemon: Daemon;
  let dockerd: Dockerd;
  const options = () => ({ under: engine.under, args: ["--firewall-backend", backend] });

  type Side = { folder: string; socket: string };
  async function docker({ socket }: Side, ...words: string[]): Promise<string> {
    const child = Bun.spawn(["docker", "-H", `unix://${socket}`, ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(`docker ${words.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  /** One on the default bridge with a published port, and two in a network of their own that know their names. */
  async function furnish(side: Side, who: string, port: number): Promise<void> {
    const serve = ["busybox", "nc", "-ll", "-p", "80", "-e", "hostname"];
    const run = (name: string, ...flags: string[]) =>
      docker(side, "run", "-d", "--name", name, "--hostname", name, ...flags, ...serve);
    await run(`${who}-bridge`, "-p", `${port}:80`);
    await docker(side, "network", "create", `${who}-net`);
    await run(`${who}-one`, "--network", `${who}-net`, "-p", `${port + 1}:80`);
    await run(`${who}-two`, "--network", `${who}-net`);
  }

  const hear = async (port: number): Promise<string> => remote.ask("tcp", engine.ipv4, port, 5);

  async function works(side: Side, who: string, port: number): Promise<void> {
    expect([await hear(port), await hear(port + 1)]).toEqual([`${who}-bridge`, `${who}-one`]);
    expect(await docker(side, "exec", `${who}-two`, "nc", "-w", "5", `${who}-one`, "80")).toBe(`${who}-one`);
    // And out: the other host answers with the address that it saw.
    for (const name of [`${who}-bridge`, `${who}-two`]) {
      const said = await docker(side, "exec", name, "sh", "-c", "nc -w 5 192.0.2.2 81 </dev/null");
      expect(said).toBe(engine.ipv4);
    }
  }

  const ours = () => works(daemon, "ours", 8000);
  const theirs = () => works(dockerd, "theirs", 9000);

  const subnets = async (side: Side): Promise<string[]> => {
    const ids = (await docker(side, "network", "ls", "-q", "--filter", "driver=bridge")).split("\n");
    return (
      await docker(side, "network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}}{{end}}", ...ids)
    ).split("\n");
  };

  beforeAll(async () => {
    const hosts = things.use(await makeHosts({ lan: ["engine", "remote"] }));
    engine = hosts.host.engine;
    await engine.ok("sysctl", "-qw", "net.ipv4.ip_forward=0");
    remote = things.use(await Agent.start(hosts.host.remote, "tcp/81"));
    daemon = things.use(await engine.daemon(options()));
    loadBusybox(daemon);
    await furnish(daemon, "ours", 8000);
  }, 60_000);

  afterAll(async () => {
    await things.disposeAsync();
  }, 60_000);

  test("dockerd comes: ours goes on, and dockerd works", async () => {
    await ours();
    dockerd = things.use(await new Dockerd([...engine.under]).start());
    loadBusybox(dockerd);
    await ours();
    await furnish(dockerd, "theirs", 9000);
    await Promise.all([ours(), theirs()]);
    const all = [...(await subnets(daemon)), ...(await subnets(dockerd))];
    expect(new Set(all).size).toBe(4);
  }, 90_000);

  test("ours makes and removes networks, is killed, stopped and begun again: dockerd goes on", async () => {
    await docker(daemon, "network", "create", "more");
    await docker(daemon, "run", "--rm", "--network", "more", "-p", "8010:80", "busybox", "true");
    await docker(daemon, "network", "rm", "more");
    await theirs();
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      await daemon.stop(signal);
      await theirs();
      await daemon.start(options());
      await Promise.all([ours(), theirs()]);
    }
  }, 90_000);

  test("dockerd makes and removes networks, and goes with all that it has: ours goes on", async () => {
    await docker(dockerd, "network", "create", "more");
    await docker(dockerd, "network", "rm", "more");
    await docker(dockerd, "rm", "-f", "theirs-bridge", "theirs-one", "theirs-two");
    await docker(dockerd, "network", "prune", "-f");
    await ours();
    await dockerd.restart();
    await until(async () => (await hear(8000)) === "ours-bridge", "our port", 10_000);
    await ours();
    await furnish(dockerd, "theirs", 9000);
    await Promise.all([ours(), theirs()]);
  }, 90_000);

  test("ours goes with all that it has: dockerd goes on, and nothing of ours stays", async () => {
    await docker(daemon, "rm", "-f", "ours-bridge", "ours-one", "ours-two");
    await docker(daemon, "network", "rm", "ours-net");
    await daemon.stop();
    await theirs();
    expect(await engine.ok("nft", "list", "ruleset")).not.toMatch(/tsd/i);
    expect((await engine.ip<{ ifname: string }[]>("link")).map(({ ifname }) => ifname).join()).not.toMatch(
      /tsd/,
    );
    await daemon.start(options());
  }, 60_000);
});
