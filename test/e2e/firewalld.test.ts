/** A real firewalld beside us: our bridges are in its zone, and its reloads change nothing of who reaches whom. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PortBinding } from "../../src/engine/network/types.ts";
import { Agent } from "../support/agent.ts";
import { Bridge, type Container } from "../support/bridges.ts";
import { until } from "../support/daemon.ts";
import { type Driven, driveFirewall } from "../support/firewall.ts";
import { FirewalldHost } from "../support/firewalld.ts";
import { type Host, makeHosts } from "../support/hosts.ts";

const tcp = (hostIp: string, hostPort: number): PortBinding => ({
  protocol: "tcp",
  containerPort: 80,
  hostIp,
  hostPort,
});

describe.each(["nftables", "iptables"] as const)("firewalld by %s, and we too", (backend) => {
  const stack = new AsyncDisposableStack();
  const execRoot = mkdtempSync(join(tmpdir(), "firewall-"));
  let engine: Host;
  let firewalld: FirewalldHost;
  let firewall: Driven;
  let remote: Agent;
  let far: Agent;
  let web: Container;
  let inside: Container;
  let inner: Agent;

  beforeAll(async () => {
    const hosts = stack.use(await makeHosts({ lan: ["engine", "remote"] }));
    engine = hosts.host.engine;
    firewalld = stack.use(await FirewalldHost.start(engine, backend));
    const front = await new Bridge(engine, 1, "front", {}).create();
    const back = await new Bridge(engine, 2, "back", {}).create();
    const closed = await new Bridge(engine, 3, "closed", { internal: true }).create();
    web = stack.use(await front.container(2, [tcp("0.0.0.0", 8080), tcp("127.0.0.1", 8081)]));
    const other = stack.use(await back.container(2));
    inside = stack.use(await closed.container(2));
    stack.use(await Agent.start(web, "tcp/80", "tcp/81"));
    far = stack.use(await Agent.start(other, "tcp/80"));
    inner = stack.use(await Agent.start(inside, "tcp/80"));
    remote = stack.use(await Agent.start(hosts.host.remote, "tcp/80"));
    for (const subnet of ["172.30.1.0/24", "172.30.3.0/24"]) {
      await hosts.host.remote.ok("ip", "route", "add", subnet, "via", engine.ipv4);
    }
    await inside.ok("ip", "route", "add", "default", "via", "172.30.3.1");
    firewall = stack.use(await driveFirewall(engine, backend, { execRoot, env: firewalld.env }));
    for (const { network } of [front, back, closed]) await firewall.putNetwork(network);
    for (const { endpoint } of [web, other, inside]) await firewall.putEndpoint(endpoint);
  }, 60_000);

  afterAll(async () => {
    await stack.disposeAsync();
    rmSync(execRoot, { recursive: true, force: true });
  }, 30_000);

  const zone = async () => (await firewalld.ask("--zone=docker", "--list-interfaces")).split(" ").sort();

  /** Who reaches whom, with firewalld's default zone public for all that is not ours. */
  async function check(): Promise<void> {
    const answers = await Promise.all([
      remote.ask("tcp", engine.ipv4, 8080),
      far.ask("tcp", engine.ipv4, 8080),
      far.ask("tcp", "192.0.2.2", 80),
      // Ports of loopback stay there (CVE-2025-54388), networks apart (CVE-2025-54410), internal ones closed.
      remote.ask("tcp", engine.ipv4, 8081, 2),
      remote.ask("tcp", web.ipv4, 80, 2),
      remote.ask("tcp", web.ipv4, 81, 2),
      far.ask("tcp", web.ipv4, 80, 2),
      far.ask("tcp", web.ipv4, 81, 2),
      remote.ask("tcp", inside.ipv4, 80, 2),
      far.ask("tcp", inside.ipv4, 80, 2),
      inner.ask("tcp", "192.0.2.2", 80, 2),
    ]);
    expect(answers.slice(0, 3)).toEqual(["192.0.2.2", "172.30.1.1", "192.0.2.1"]);
    for (const answer of answers.slice(3)) expect(answer).toMatch(/^(nothing|refused)$/);
  }

  test("our bridges join its zone, and what is published is reached", async () => {
    expect(await zone()).toEqual(["back", "closed", "front"]);
    expect(await firewalld.ask("--info-policy=docker-forwarding")).toContain("egress-zones: docker");
    expect(await firewall.firewalld()).toBeDefined();
    await check();
  }, 30_000);

  test("its reloads change nothing", async () => {
    for (const words of [["--reload"], ["--complete-reload"]]) {
      await firewalld.ask(...words);
      await until(async () => (await zone()).length === 3, "the zone");
      await until(async () => (await remote.ask("tcp", engine.ipv4, 8080, 1)) === "192.0.2.2", "the port");
      await check();
      expect(await firewall.firewalld()).toEqual({ reloadedAt: expect.any(String) });
    }
  }, 60_000);

  test("it may go and come again", async () => {
    await firewalld.stop();
    await until(async () => (await firewall.firewalld()) === undefined, "its end to be known");
    await until(async () => (await remote.ask("tcp", engine.ipv4, 8080, 1)) === "192.0.2.2", "the port");
    await firewalld.run();
    await until(async () => (await zone()).length === 3, "the zone");
    await check();
  }, 60_000);

  test("a bridge that an administrator has put elsewhere stays there, and is told of", async () => {
    const own = await new Bridge(engine, 4, "own", {}).create();
    await firewalld.ask("--zone=trusted", "--add-interface=own");
    await firewall.putNetwork(own.network);
    expect(await firewalld.ask("--get-zone-of-interface=own")).toBe("trusted");
    expect(firewall.warnings.splice(0).join()).toContain("add own to firewalld's zone docker: ZONE_CONFLICT");
    await firewall.removeNetwork(own.network.id);
    expect(await firewalld.ask("--get-zone-of-interface=own")).toBe("trusted");
  }, 30_000);

  test("its zone is as it was when we are gone", async () => {
    await firewall.close(false);
    expect(await zone()).toEqual([""]);
    expect(firewall.warnings).toEqual([]);
  }, 30_000);
});
