/**
 * What people wire together, by the real docker client: a stack as a compose file describes it, whose services are
 * restarted, replaced and moved while the others go on; and a container that is a name server itself.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { until } from "../support/daemon.ts";
import { daemon, docker, fetchFrom, hosts, pidOf, useEngineHost } from "./network-harness.ts";

const UPSTREAM = join(import.meta.dir, "../support/upstream.ts");

useEngineHost();

/** A service: answers each connection to port 80 with its host's name. */
const service = (name: string, ...flags: string[]) =>
  docker(
    ...["run", "-d", "--name", name, "--hostname", name, "--label", "shop", ...flags],
    ...["busybox", "nc", "-ll", "-p", "80", "-e", "hostname"],
  );

/** Asks in a container's network and mounts, as a process of it would; not by exec, which needs the daemon. */
async function within(pid: string, script: string): Promise<string> {
  const words = ["nsenter", "-t", pid, "-n", "-m", "/bin/busybox", "sh", "-c", script];
  const child = Bun.spawn(words, { stdio: ["ignore", "pipe", "ignore"] });
  const [text] = await Promise.all([child.stdout.text(), child.exited]);
  return text.trim();
}

/** The name of what answers at port 80 there; empty when nothing does. */
const asks = (pid: string, target: string) => within(pid, `nc -w 3 ${target} 80`);

const reaches = (pid: string, target: string, answer: string) =>
  until(async () => (await asks(pid, target)) === answer, `${answer || "nothing"} at ${target}`, 10_000);

/** What a published port says to another host. */
const published = (port: number) => fetchFrom("remote", hosts.host.engine.ipv4, port);

const restarts = [
  ["stopped and begun again", "SIGTERM"],
  ["killed and begun again", "SIGKILL"],
] as const;

describe("three services on two networks", () => {
  let web: string;
  let api: string;
  let db: string;

  beforeAll(async () => {
    await docker("network", "create", "--label", "shop", "front");
    await docker("network", "create", "--label", "shop", "--internal", "back");
    await service("shop-db-1", "--network", "back", "--network-alias", "db");
    await service(
      "shop-api-1",
      ...["--network", "name=front,alias=api", "--network", "name=back,alias=api,alias=api.internal"],
    );
    await service("shop-web-1", "--network", "front", "--network-alias", "web", "-p", "8080:80", "-p", "80");
    [web, api, db] = await Promise.all([pidOf("shop-web-1"), pidOf("shop-api-1"), pidOf("shop-db-1")]);
  }, 60_000);

  afterAll(async () => {
    const ids = await docker("ps", "-aq", "--filter", "label=shop");
    await docker("rm", "-f", ...ids.split("\n"));
    await docker("network", "rm", "front", "back");
  }, 30_000);

  async function works(): Promise<void> {
    await reaches(web, "api", "shop-api-1");
    await reaches(api, "db", "shop-db-1");
    await reaches(api, "web", "shop-web-1");
    await reaches(db, "api.internal", "shop-api-1");
    expect(await published(8080)).toBe("shop-web-1");
  }

  test("find each other by name and alias, and only where they have a network in common", async () => {
    await works();
    await reaches(web, "shop-api-1", "shop-api-1");
    expect(await asks(web, "db")).toBe("");
    expect(await asks(db, "web")).toBe("");
    const address = await docker(
      "inspect",
      "-f",
      "{{.NetworkSettings.Networks.back.IPAddress}}",
      "shop-db-1",
    );
    expect(await asks(web, address)).toBe("");
    expect(await within(api, "ip route | grep -c default")).toBe("1");
    const [, random] = (await docker("port", "shop-web-1")).match(/0\.0\.0\.0:(3[2-9]\d{3}|[4-6]\d{4})/)!;
    expect(await published(Number(random))).toBe("shop-web-1");
  }, 60_000);

  test.each(restarts)(
    "go on while the daemon is %s",
    async (_, signal) => {
      await daemon.stop(signal);
      await works();
      await daemon.start({ under: hosts.host.engine.under });
      await works();
      expect(await docker("port", "shop-web-1", "80")).toContain("0.0.0.0:8080");
    },
    60_000,
  );

  test("one is restarted, and found again though its address was taken meanwhile", async () => {
    const address = () =>
      docker("inspect", "-f", "{{.NetworkSettings.Networks.front.IPAddress}}", "shop-api-1");
    const before = await address();
    await docker("stop", "-t", "0", "shop-api-1");
    expect(await asks(web, "api")).toBe("");
    await service("squatter", "--network", "front", "--ip", before);
    await docker("start", "shop-api-1");
    api = await pidOf("shop-api-1");
    expect(await address()).not.toBe(before);
    await works();
    await docker("rm", "-f", "squatter");
    await docker("restart", "-t", "0", "shop-web-1");
    web = await pidOf("shop-web-1");
    await works();
  }, 60_000);

  test("one is replaced as compose does it: the new one first, under another name", async () => {
    await service("shop-db-2", "--network", "back", "--network-alias", "db");
    // Both are found for a moment, each first in turn.
    const addresses = await docker(
      ...["inspect", "-f", "{{.NetworkSettings.Networks.back.IPAddress}}", "shop-db-1", "shop-db-2"],
    );
    const dig = async () =>
      (await hosts.host.engine.ok("nsenter", "-t", api, "-n", "dig", "+short", "@127.0.0.11", "db")).split(
        "\n",
      );
    const firsts = new Set<string>();
    await until(async () => firsts.add((await dig())[0]!).size === 2, "both to be first", 10_000);
    expect([...firsts].sort()).toEqual(addresses.split("\n").sort());
    expect((await dig()).sort()).toEqual([...firsts].sort());
    await docker("rm", "-f", "shop-db-1");
    expect(await within(api, "for i in 1 2 3 4; do nc -w 3 db 80; done")).toBe(
      Array(4).fill("shop-db-2").join("\n"),
    );
    await docker("rename", "shop-db-2", "shop-db-1");
    expect(await asks(api, "shop-db-1")).toBe("shop-db-2");
    // By the hostname it has still; another's old name is nobody's.
    expect(await asks(api, "shop-db-2")).toBe("shop-db-2");
    await docker("rename", "shop-web-1", "shop-web-9");
    expect(await asks(web, "shop-web-9")).toBe("shop-web-1");
    await docker("rename", "shop-web-9", "shop-web-1");
    expect(await asks(web, "shop-web-9")).toBe("");
    await docker("rm", "-f", "shop-db-1");
    await service("shop-db-1", "--network", "back", "--network-alias", "db");
    db = await pidOf("shop-db-1");
    await works();
  }, 60_000);

  test("one is taken out of a network and put back while it runs", async () => {
    await docker("network", "disconnect", "back", "shop-api-1");
    expect(await asks(api, "db")).toBe("");
    expect(await asks(db, "api.internal")).toBe("");
    await reaches(web, "api", "shop-api-1");
    await docker("network", "connect", "--alias", "api.internal", "back", "shop-api-1");
    await works();
    // The published port moves with the default route: to a network that gives one, and back.
    await docker("network", "disconnect", "front", "shop-web-1");
    expect(await published(8080)).toBe("");
    await docker("network", "connect", "--alias", "web", "front", "shop-web-1");
    await works();
  }, 60_000);

  test.each(restarts)(
    "one is replaced right after the daemon was %s",
    async (_, signal) => {
      await daemon.stop(signal);
      await daemon.start({ under: hosts.host.engine.under });
      await docker("rm", "-f", "shop-api-1");
      expect(await asks(web, "api")).toBe("");
      await service(
        "shop-api-1",
        ...["--network", "name=front,alias=api", "--network", "name=back,alias=api.internal"],
      );
      api = await pidOf("shop-api-1");
      await works();
    },
    60_000,
  );
});

describe("a container's own name server", () => {
  test("binds port 53 of all addresses, is asked by others and by other hosts, and asks ours itself", async () => {
    await docker("network", "create", "--label", "names", "lab");
    await docker(
      ...["run", "-d", "--name", "nameserver", "--network", "lab", "-p", "53:53/udp", "-p", "53:53"],
      ...["busybox", "sleep", "10000"],
    );
    const pid = await pidOf("nameserver");
    const address = await docker(
      "inspect",
      "-f",
      "{{.NetworkSettings.Networks.lab.IPAddress}}",
      "nameserver",
    );
    const server = Bun.spawn(["nsenter", "-t", pid, "-n", process.execPath, UPSTREAM, "0.0.0.0", "53"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      await server.stdout.getReader().read();
      await docker("run", "-d", "--name", "client", "--network", "lab", "busybox", "sleep", "10000");
      const dig = async (place: readonly string[], ...words: string[]): Promise<string> => {
        const child = Bun.spawn([...place, "dig", "+short", "+tries=1", "+time=3", ...words], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        return (await child.stdout.text()).trim();
      };
      const client = ["nsenter", "-t", await pidOf("client"), "-n"];
      const itself = ["nsenter", "-t", pid, "-n"];
      const everywhere = async () => {
        for (const tcp of ["+notcp", "+tcp"]) {
          expect(await dig(client, tcp, `@${address}`, "any.example")).toBe("10.9.9.9");
          expect(await dig(hosts.host.remote.under, tcp, `@${hosts.host.engine.ipv4}`, "any.example")).toBe(
            "10.9.9.9",
          );
          expect(await dig(itself, tcp, "@127.0.0.1", "any.example")).toBe("10.9.9.9");
          // What is asked of 127.0.0.11 is ours all the same.
          expect(await dig(itself, tcp, "@127.0.0.11", "nameserver")).toBe(address);
          expect(await dig(client, tcp, "@127.0.0.11", "nameserver")).toBe(address);
        }
      };
      await everywhere();
      await daemon.stop("SIGKILL");
      await everywhere();
      await daemon.start({ under: hosts.host.engine.under });
      await everywhere();
      // As the server of others, over ours: what we do not know is sent there.
      await docker("rm", "-f", "client");
      const flags = ["--network", "lab", "--dns", address];
      await docker("run", "-d", "--name", "client", ...flags, "busybox", "sleep", "10000");
      const through = ["nsenter", "-t", await pidOf("client"), "-n"];
      expect(await dig(through, "@127.0.0.11", "elsewhere.example")).toBe("10.9.9.9");
      expect(await dig(through, "@127.0.0.11", "nameserver")).toBe(address);
    } finally {
      server.kill();
      await server.exited;
      await docker("rm", "-f", "nameserver", "client");
      await docker("network", "rm", "lab");
    }
  }, 60_000);
});

describe("a link that was moved in by hand", () => {
  test("is the container's own: it stays over kill -9, a stop, and networks that come and go beside it", async () => {
    const { engine } = hosts.host;
    await docker("run", "-d", "--name", "bare", "--network", "none", "busybox", "sleep", "10000");
    await docker("network", "create", "beside");
    const pid = await pidOf("bare");
    await engine.ok("ip", "link", "add", "hand0", "type", "veth", "peer", "name", "hand1");
    await engine.ok("ip", "link", "set", "hand1", "netns", pid);
    await engine.ok("ip", "addr", "add", "10.66.0.1/24", "dev", "hand0");
    await engine.ok("ip", "link", "set", "hand0", "up");
    await engine.ok("nsenter", "-t", pid, "-n", "ip", "addr", "add", "10.66.0.2/24", "dev", "hand1");
    await engine.ok("nsenter", "-t", pid, "-n", "ip", "link", "set", "hand1", "up");
    const talks = async () => {
      expect(await within(pid, "ping -c 1 -W 5 10.66.0.1")).toContain("1 packets received");
      expect(await engine.ok("busybox", "ping", "-c", "1", "-W", "5", "10.66.0.2")).toContain(
        "1 packets received",
      );
    };
    await talks();
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      await daemon.stop(signal);
      await talks();
      await daemon.start({ under: engine.under });
      await talks();
    }
    await docker("network", "disconnect", "none", "bare");
    await docker("network", "connect", "beside", "bare");
    await talks();
    expect(await within(pid, "ip -o -4 addr show | cut -d' ' -f2 | sort")).toBe("eth0\nhand1\nlo");
    await docker("network", "disconnect", "beside", "bare");
    await talks();
    await docker("rm", "-f", "bare");
    await docker("network", "rm", "beside");
    // With the namespace goes its end, and with that ours.
    await until(async () => (await engine.run("ip", "link", "show", "hand0")).status !== 0, "hand0 to go");
  }, 60_000);
});
