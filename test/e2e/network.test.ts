/** Networks by the real docker client, on hosts of the test's own: what tutorials do, and what a killed daemon leaves. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { loadBusybox } from "../support/busybox.ts";
import { until } from "../support/daemon.ts";
import { daemon, docker, failure, fetchFrom, forwards, hosts, useEngineHost } from "./network-harness.ts";

useEngineHost();

/** One test's failure is not the next one's. */
afterEach(async () => {
  const ids = (await docker("ps", "-aq")).split("\n").filter(Boolean);
  if (ids.length > 0) await docker("rm", "-f", ...ids);
  await docker("network", "prune", "-f");
}, 60_000);

/** A server that answers each connection with its host's name. */
const SERVE = "while true; do hostname | nc -l -p 80; done";
const serve = (name: string, ...flags: string[]) =>
  docker("run", "-d", "--name", name, "--hostname", name, ...flags, "busybox", "sh", "-c", SERVE);

const ask = (container: string, target: string) =>
  docker("exec", container, "sh", "-c", `nc -w 5 ${target} 80 </dev/null`);

/** Between two connections, the server is not there for a moment. */
const answersFrom = (host: "engine" | "remote", address: string, port: number, answer: string) =>
  until(
    async () => (await fetchFrom(host, address, port)) === answer,
    `${answer} at ${address}:${port} from ${host}`,
  );

const removeAll = async (...names: string[]) => {
  await docker("rm", "-f", ...names);
};

/** Links on the engine's host, less those that were there before. */
async function links(): Promise<string[]> {
  const all = await hosts.host.engine.ip<{ ifname: string }[]>("link");
  return all.map(({ ifname }) => ifname).filter((name) => name !== "lo" && name !== "lan");
}

describe("containers in networks", () => {
  test("reach each other by address on the default bridge, and by name in their own", async () => {
    await docker("network", "create", "web");
    await serve("old");
    await serve("new", "--network", "web", "--network-alias", "www");
    const address = await docker("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "old");
    await serve("asker");
    expect(await ask("asker", address)).toBe("old");
    expect((await daemon.docker("exec", "asker", "timeout", "1", "nslookup", "old")).status).not.toBe(0);
    await serve("friend", "--network", "web");
    for (const name of ["new", "www"]) expect(await ask("friend", name)).toBe("new");
    const { stdout } = await daemon.docker("exec", "asker", "timeout", "1", "ping", "-c1", "172.18.0.2");
    expect(stdout).not.toContain("1 packets received");
    await removeAll("old", "new", "asker", "friend");
    await docker("network", "rm", "web");
  }, 60_000);

  test("get the subnet of a network that was removed a moment ago", async () => {
    const subnet = (name: string) =>
      docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", name);
    for (const name of ["one", "two"]) await docker("network", "create", name);
    const first = await subnet("one");
    await docker("network", "rm", "one");
    await docker("network", "create", "three");
    expect(await subnet("three")).toBe(first);
    await docker("network", "rm", "two", "three");
  }, 60_000);

  test("are connected and disconnected while they run, and find each other's names at once", async () => {
    await docker("network", "create", "back");
    await serve("api");
    await serve("db", "--network", "back");
    await docker("network", "connect", "--alias", "gateway", "back", "api");
    expect(await ask("api", "db")).toBe("db");
    expect(await ask("db", "gateway")).toBe("api");
    expect(await docker("exec", "api", "cat", "/etc/resolv.conf")).toContain("nameserver 127.0.0.11");
    expect(await failure("network", "connect", "back", "api")).toBe(
      "Error response from daemon: endpoint with name api already exists in network back",
    );
    expect(await failure("network", "rm", "back")).toMatch(/network back has active endpoints/);
    await docker("network", "disconnect", "back", "api");
    expect(await docker("exec", "api", "ip", "-o", "-4", "addr")).not.toContain("eth1");
    expect((await daemon.docker("exec", "db", "nslookup", "gateway")).status).not.toBe(0);
    await removeAll("api", "db");
    await docker("network", "rm", "back");
  }, 60_000);

  test("start again with what they were connected to meanwhile", async () => {
    await docker("network", "create", "--subnet", "10.77.0.0/24", "late");
    await docker("create", "--name", "c1", "busybox", "sleep", "1000");
    await docker("network", "connect", "--ip", "10.77.0.9", "late", "c1");
    await docker("network", "disconnect", "bridge", "c1");
    await docker("start", "c1");
    expect(await docker("exec", "c1", "ip", "-o", "-4", "addr", "show", "eth0")).toContain("10.77.0.9/24");
    await docker("restart", "-t", "0", "c1");
    expect(await docker("exec", "c1", "ip", "-o", "-4", "addr", "show", "eth0")).toContain("10.77.0.9/24");
    await removeAll("c1");
    await docker("network", "rm", "late");
  }, 60_000);

  test("have the link, the address and the routes that were asked for", async () => {
    await docker("network", "create", "--subnet", "10.78.0.0/24", "--gateway", "10.78.0.254", "one");
    await docker("network", "create", "--ipv6", "--subnet", "fd78::/64", "--internal", "two");
    const flags = ["--network", "name=one,ip=10.78.0.7,mac-address=02:00:00:00:00:07,gw-priority=1"];
    flags.push("--network", "name=two,driver-opt=com.docker.network.endpoint.ifname=inner");
    await docker("run", "-d", "--name", "c1", ...flags, "busybox", "sleep", "1000");
    const link = await docker("exec", "c1", "ip", "addr", "show", "eth0");
    expect(link).toContain("10.78.0.7/24");
    expect(link).toContain("02:00:00:00:00:07");
    expect(await docker("exec", "c1", "ip", "addr", "show", "inner")).toMatch(/inet6 fd78::2\/64/);
    expect(await docker("exec", "c1", "ip", "route")).toContain("default via 10.78.0.254 dev eth0");
    expect(await failure("run", "--rm", "--network", "one", "--ip", "10.78.0.7", "busybox", "true")).toBe(
      "docker: Error response from daemon: failed to set up container networking: Address already in use",
    );
    await removeAll("c1");
    await docker("network", "rm", "one", "two");
  }, 60_000);

  test("have a parent to themselves one after the other, without a wait between", async () => {
    const create = (mode: string) =>
      docker(
        ...["network", "create", "-d", "macvlan", "-o", "parent=lan", "-o", `macvlan_mode=${mode}`],
        ...["--subnet", "10.79.0.0/24", "alone"],
      );
    for (const mode of ["passthru", "bridge", "passthru"]) {
      await create(mode);
      for (let n = 0; n < 3; n++) await docker("run", "--rm", "--network", "alone", "busybox", "true");
      await docker("run", "-d", "--name", "c1", "--network", "alone", "busybox", "sleep", "1000");
      await docker("restart", "-t", "0", "c1");
      if (mode === "passthru") {
        expect(await failure("run", "--rm", "--network", "alone", "busybox", "true")).toContain(
          "failed to create the macvlan port: invalid argument",
        );
      }
      await removeAll("c1");
      await docker("network", "rm", "alone");
    }
  }, 60_000);

  test("know their links of the old kind from /etc/hosts", async () => {
    await serve("db");
    const { stdout, stderr } = await daemon.docker(
      ...["run", "--rm", "--link", "db:base", "busybox", "sh", "-c", "cat /etc/hosts; nc base 80 </dev/null"],
    );
    expect(stdout).toMatch(/^172\.17\.0\.\d+\tbase db db$/m);
    expect(stdout).toEndWith("db\n");
    expect(stderr).toContain("Links on the default bridge network are deprecated");
    await removeAll("db");
  }, 60_000);

  test("have no links of the old kind outside of the default bridge", async () => {
    await docker("network", "create", "web");
    await serve("there");
    await serve("elsewhere", "--network", "web");
    for (const child of ["there", "elsewhere"]) {
      const words = ["run", "--rm", "--network", "none", "--link", `${child}:z`, "busybox"];
      expect(await docker(...words, "cat", "/etc/hosts")).not.toMatch(/\sz\b/);
      await docker("create", "--name", "left", "--link", `${child}:z`, "busybox", "cat", "/etc/hosts");
      await docker("network", "connect", "web", "left");
      await docker("network", "disconnect", "bridge", "left");
      expect(await docker("start", "-a", "left")).not.toMatch(/\sz\b/);
      await removeAll("left");
    }
    const refused = await daemon.docker("run", "--rm", "--link", "elsewhere:z", "busybox", "true");
    expect(refused.stderr).toContain(
      "Cannot link to /elsewhere, as it does not belong to the default network",
    );
    await removeAll("there", "elsewhere");
    await docker("network", "rm", "web");
  }, 60_000);

  test("are told of by variables where the daemon is to, at start and to later processes", async () => {
    await serve("db", "-e", "PASSWORD=a=b", "--expose", "5432");
    await docker("run", "-d", "--name", "web", "--link", "db:the-db", "busybox", "sleep", "99999");
    const variables = async (words: string[]) =>
      (await docker(...words))
        .split("\n")
        .filter((line) => line.startsWith("THE_DB"))
        .sort();
    const run = ["run", "--rm", "--name", "app", "--link", "db:the-db", "busybox", "env"];
    const exec = ["exec", "web", "env"];
    expect([await variables(run), await variables(exec)]).toEqual([[], []]);

    const { under } = hosts.host.engine;
    await daemon.stop();
    await daemon.start({ under, env: { DOCKER_KEEP_DEPRECATED_LEGACY_LINKS_ENV_VARS: "1" } });
    const expected = async (name: string) => {
      const address = await docker("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "db");
      return [
        "THE_DB_ENV_PASSWORD=a=b",
        `THE_DB_NAME=/${name}/the-db`,
        `THE_DB_PORT=tcp://${address}:5432`,
        `THE_DB_PORT_5432_TCP=tcp://${address}:5432`,
        `THE_DB_PORT_5432_TCP_ADDR=${address}`,
        "THE_DB_PORT_5432_TCP_PORT=5432",
        "THE_DB_PORT_5432_TCP_PROTO=tcp",
      ];
    };
    expect(await variables(run)).toEqual(await expected("app"));
    expect(await variables(exec)).toEqual(await expected("web"));
    // Its address goes to another while it is away.
    await docker("stop", "-t", "0", "db");
    expect(await failure("exec", "web", "env")).toBe(
      "Error response from daemon: Cannot link to a non running container: /db AS /web/the-db",
    );
    await serve("other");
    await docker("start", "db");
    expect(await variables(exec)).toEqual(await expected("web"));
    await daemon.stop();
    await daemon.start({ under });
    await removeAll("web", "db", "other");
  }, 60_000);

  test("publish ports to the host and to others, and give them back", async () => {
    const { engine } = hosts.host;
    await serve("pub", "-p", "8080:80", "-p", "127.0.0.1:9090:80");
    expect((await docker("port", "pub")).split("\n").sort()).toEqual([
      "80/tcp -> 0.0.0.0:8080",
      "80/tcp -> 127.0.0.1:9090",
      "80/tcp -> [::]:8080",
    ]);
    for (const address of ["127.0.0.1", "::1", engine.ipv4, engine.ipv6]) {
      await answersFrom("engine", address, 8080, "pub");
    }
    for (const address of [engine.ipv4, engine.ipv6]) await answersFrom("remote", address, 8080, "pub");
    await answersFrom("engine", "127.0.0.1", 9090, "pub");
    expect(await fetchFrom("remote", engine.ipv4, 9090)).toBe("");
    expect(await failure("run", "--rm", "-p", "8080:81", "busybox", "true")).toMatch(
      /failed to set up container networking: driver failed programming external connectivity on endpoint \w+ \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/,
    );
    await removeAll("pub");
    await serve("next", "-p", "8080:80");
    await answersFrom("remote", engine.ipv4, 8080, "next");
    await removeAll("next");
  }, 60_000);

  test.each(["run", "connect"])(
    "are where the default bridge is when they are the first there, though its subnet was taken meanwhile (%s)",
    async (how) => {
      const { engine } = hosts.host;
      await using fresh = await engine.daemon();
      loadBusybox(fresh);
      const ok = async (...words: string[]): Promise<string> => {
        const { stdout, stderr } = await fresh.docker(...words);
        expect(stderr).toBe("");
        return stdout.trim();
      };
      const subnet = "{{range .IPAM.Config}}{{.Subnet}}{{end}}";
      const [address] = (await ok("network", "inspect", "-f", subnet, "bridge")).split("/");
      await engine.ok("ip", "link", "add", "taken", "type", "bridge");
      try {
        await engine.ok("ip", "addr", "add", `${address!.replace(/0$/, "1")}/16`, "dev", "taken");
        await engine.ok("ip", "link", "set", "taken", "up");
        const network = how === "run" ? "bridge" : "none";
        await ok(
          "run",
          "-d",
          "--name",
          "first",
          "-p",
          "8070:80",
          "--network",
          network,
          "busybox",
          "sleep",
          "1000",
        );
        if (how === "connect") {
          await ok("network", "disconnect", "none", "first");
          await ok("network", "connect", "bridge", "first");
        }
        const gateway = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
        const routes = await ok("exec", "first", "ip", "route");
        expect(routes).toContain(`default via ${await ok("inspect", "-f", gateway, "first")} dev eth0`);
        expect(await ok("port", "first", "80")).toContain("0.0.0.0:8070");
      } finally {
        await engine.ok("ip", "link", "del", "taken");
      }
    },
    60_000,
  );

  test("on the host's network have its name of now, though it was another one's when the daemon began", async () => {
    const { engine } = hosts.host;
    await using renamed = await engine.daemon({ under: ["unshare", "--uts"] });
    loadBusybox(renamed);
    await engine.ok("nsenter", `--uts=/proc/${renamed.pid}/ns/uts`, "hostname", "renamed");
    const { stdout } = await renamed.docker("run", "--rm", "--network", "host", "busybox", "hostname");
    expect(stdout).toBe("renamed\n");
  }, 60_000);

  test("wired by hand: a container without a network, its pid, and a veth moved in", async () => {
    const { engine } = hosts.host;
    await docker("run", "-d", "--name", "bare", "--network", "none", "busybox", "sleep", "1000");
    const pid = await docker("inspect", "-f", "{{.State.Pid}}", "bare");
    await engine.ok("ip", "link", "add", "hand0", "type", "veth", "peer", "name", "hand1");
    await engine.ok("ip", "link", "set", "hand1", "netns", pid);
    await engine.ok("ip", "addr", "add", "10.66.0.1/24", "dev", "hand0");
    await engine.ok("ip", "link", "set", "hand0", "up");
    const inside = ["nsenter", "-t", pid, "-n", "ip"];
    await engine.ok(...inside, "addr", "add", "10.66.0.2/24", "dev", "hand1");
    await engine.ok(...inside, "link", "set", "hand1", "up");
    expect(await docker("exec", "bare", "ping", "-c1", "10.66.0.1")).toContain("1 packets received");
    await docker("network", "disconnect", "none", "bare");
    await docker("network", "connect", "bridge", "bare");
    expect(await docker("exec", "bare", "ping", "-c1", "172.17.0.1")).toContain("1 packets received");
    await removeAll("bare");
  }, 60_000);
});

describe("over the daemon's life", () => {
  const restart = async (signal: NodeJS.Signals): Promise<void> => {
    await daemon.stop(signal);
    await daemon.start({ under: hosts.host.engine.under });
  };

  test("running containers keep their networks over a stop, and over kill -9", async () => {
    const { engine } = hosts.host;
    await docker("network", "create", "web");
    await serve("srv", "--network", "web", "-p", "8080:80");
    await serve("tst", "--network", "web");
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const before = await docker("inspect", "-f", "{{json .NetworkSettings}}", "srv");
      await daemon.stop(signal);
      await answersFrom("remote", engine.ipv4, 8080, "srv");
      await daemon.start({ under: engine.under });
      expect(await docker("inspect", "-f", "{{json .NetworkSettings}}", "srv")).toBe(before);
      await answersFrom("remote", engine.ipv4, 8080, "srv");
      expect(await ask("tst", "srv")).toBe("srv");
    }
    expect(await failure("run", "--rm", "-p", "8080:81", "busybox", "true")).toContain(
      "port is already allocated",
    );
    await removeAll("srv", "tst");
    await docker("network", "rm", "web");
  }, 60_000);

  test("kill -9 in the midst of starts and ends leaves no link, namespace or lease without an owner", async () => {
    await docker("network", "create", "web");
    for (let round = 0; round < 6; round++) {
      const running = Array.from({ length: 6 }, (_, n) =>
        daemon.docker(
          "run",
          "-d",
          ...(n % 2 ? ["--network", "web", "-p", "80"] : []),
          "busybox",
          "sleep",
          "1000",
        ),
      );
      const making = daemon.docker("network", "create", `n${round}`);
      // At another moment of the work each time.
      await Promise.race(running.slice(round));
      const ids = round % 2 ? (await running[round]!).stdout.split("\n").filter(Boolean) : [];
      const going = ids.length > 0 ? daemon.docker("rm", "-f", ...ids) : undefined;
      await restart("SIGKILL");
      await Promise.all([...running, making, going]);
      const alive = (await docker("ps", "-q", "--no-trunc")).split("\n").filter(Boolean);
      // Of one that was removed just now, the kernel takes the link away behind us.
      await until(
        async () => (await links()).filter((name) => name.startsWith("veth")).length === alive.length,
        `${alive.length} links of as many containers`,
      );
      expect(readdirSync(join(daemon.folder, "exec/netns")).sort()).toEqual(
        alive.map((id) => id.slice(0, 12)).sort(),
      );
      const bridges = (await docker("network", "ls", "-q", "-f", "driver=bridge")).split("\n");
      expect((await links()).filter((name) => name.startsWith("br-"))).toHaveLength(bridges.length - 1);
    }
    const ids = (await docker("ps", "-aq")).split("\n").filter(Boolean);
    await removeAll(...ids);
    await docker("network", "prune", "-f");
    await until(async () => (await links()).join() === "tsd0", "all links but the default bridge to go");
    const response = await daemon.request("/v1.55/networks/bridge");
    const { Status } = (await response.json()) as {
      Status: { IPAM: { Subnets: Record<string, { IPsInUse: number }> } };
    };
    // The subnet's own address, the broadcast and the gateway.
    expect(Object.values(Status.IPAM.Subnets)).toMatchObject([{ IPsInUse: 3 }]);
    expect(await hosts.host.engine.ok("ss", "-Hlntu")).toBe("");
  }, 120_000);

  test("a stop with nothing running leaves nothing on the host", async () => {
    const { engine } = hosts.host;
    await docker("network", "create", "kept");
    await docker("run", "--rm", "-p", "8080:80", "busybox", "true");
    await until(async () => (await links()).length === 2, "both bridges alone");
    await daemon.stop();
    expect(await links()).toEqual([]);
    expect(await engine.ok("nft", "list", "ruleset")).toBe("");
    expect(await engine.ok("sysctl", "-n", "net.ipv4.ip_forward")).toBe(forwards);
    await daemon.start({ under: engine.under });
    expect(await docker("network", "ls", "-q", "-f", "name=kept")).not.toBe("");
    expect(await links()).toHaveLength(1);
    await docker("network", "rm", "kept");
    expect(
      existsSync(join(daemon.folder, "exec/netns")) && readdirSync(join(daemon.folder, "exec/netns")),
    ).toEqual([]);
  }, 60_000);
});

describe("--bridge", () => {
  const restart = async (args: readonly string[], wait = true) => {
    if (daemon.running) await daemon.stop();
    await daemon.start({ under: hosts.host.engine.under, args, wait });
  };
  const refuses = async (words: string, ...args: string[]) => {
    await restart(args, false);
    expect(await daemon.exited()).toBe(1);
    await until(() => daemon.log.includes(words), words);
  };

  test("names one that is there; others are not made, but for the default ones", async () => {
    const { engine } = hosts.host;
    const manually = "bridge device with non default name nope must be created manually";
    const creating = 'Error initializing network controller: error creating default "bridge" network';
    await refuses(`${creating}: ${manually}`, "-b", "nope");
    await refuses(`${creating}: existing interface lan is not a bridge`, "-b", "lan");
    expect(await links()).toEqual([]);
    const both = "You specified -b & --bip, mutually exclusive options. Please specify only one";
    await refuses(both, "-b", "nope", "--bip", "10.90.0.1/24");

    await engine.ok("ip", "link", "add", "nope", "type", "bridge");
    await engine.ok("ip", "addr", "add", "10.90.0.1/24", "dev", "nope");
    await restart(["-b", "nope"]);
    expect(await docker("run", "--rm", "busybox", "ip", "addr")).toContain("inet 10.90.0.2/24");
    // It goes while the daemon is there: before it is used, and after.
    await restart(["-b", "nope"]);
    await engine.ok("ip", "link", "del", "nope");
    const run = ["run", "--rm", "busybox", "true"];
    const failed = "docker: Error response from daemon: failed to set up container networking";
    expect(await failure(...run)).toBe(`${failed}: ${manually}`);
    await engine.ok("ip", "link", "add", "nope", "type", "bridge");
    await docker(...run);
    await engine.ok("ip", "link", "del", "nope");
    expect(await failure(...run)).toBe(`${failed}: bridge nope does not exist`);
    await refuses(manually, "-b", "nope");
    // Of what failed, the kernel takes the link away behind us.
    await until(async () => (await links()).length === 0, "all links to go");

    for (const name of ["docker0", "tsd7"]) {
      await restart(["-b", name]);
      await docker("run", "--rm", "busybox", "true");
      expect(await links()).toContain(name);
      await daemon.stop();
      expect(await links()).toEqual([]);
    }
    await restart([]);
  }, 60_000);
});
