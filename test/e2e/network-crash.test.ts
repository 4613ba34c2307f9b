/**
 * `kill -9` of the daemon while networks and endpoints come and go: what is on the host afterwards is what the rows
 * say, to the last rule, and containers that run through it all lose no packet.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/daemon.ts";
import { changes, takePicture } from "../support/network-picture.ts";
import { UdpStream } from "../support/udp-stream.ts";
import { daemon, docker, hosts, pidOf, useEngineHost } from "./network-harness.ts";

useEngineHost();

const sleeper = (name: string, ...flags: string[]) =>
  docker("run", "-d", "--name", name, ...flags, "busybox", "sleep", "10000");

/** Words that run a program in a container's network. */
async function inside(name: string): Promise<string[]> {
  return ["nsenter", `--net=/proc/${await pidOf(name)}/ns/net`];
}

const addressOf = (name: string, network: string) =>
  docker("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, name);

/** The links of running containers on the host. */
const veths = async (): Promise<number> =>
  (await hosts.host.engine.ip<{ ifname: string }[]>("link")).filter(({ ifname }) => ifname.startsWith("veth"))
    .length;

const binding = (port: number) => ({ "5000/udp": [{ HostIp: "", HostPort: String(port) }] });

/** While the container runs; rejects when the daemon is gone. */
const changePorts = (name: string, change: object) =>
  daemon.request(`/v1.55/containers/${name}/update`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(change),
  });

/** Everything that may be cut off in the middle; each promise ends whatever becomes of the daemon. */
function bustle(round: number): Promise<unknown>[] {
  const run = (...words: string[]) => daemon.docker("run", "-d", "--label", "bustle", ...words);
  const work = ["busybox", "sleep", "10000"];
  const inTurn = async (...commands: string[][]) => {
    for (const words of commands) await daemon.docker(...words);
  };
  return [
    run(...work),
    run("-p", "80", "-p", "81/udp", ...work),
    run("--network", "kept", "-p", `127.0.0.1:${7000 + round}:80`, ...work),
    run("--rm", "--network", "kept", "--network-alias", "short", "busybox", "true"),
    inTurn(
      ["network", "connect", "--alias", "moved", "other", "moving"],
      ["network", "disconnect", "other", "moving"],
      ["network", "connect", "other", "moving"],
    ),
    inTurn(
      ["network", "create", "--label", "bustle", `n${round}`],
      ["run", "-d", "--label", "bustle", "--network", `n${round}`, "-p", "90", ...work],
      ["network", "create", "--label", "bustle", "--ipv6", "--internal", `m${round}`],
      ["network", "rm", `m${round}`],
    ),
    inTurn(["restart", "-t", "0", "restarted"]),
    changePorts("pp", { PublishAdd: binding(6000), PublishRm: binding(6001) }).catch(() => {}),
  ];
}

test("a change of ports that is cut short is whole, or was never asked for", async () => {
  const { engine } = hosts.host;
  await sleeper("pp", "-p", "6001:5000/udp");
  const hostPorts = async (what: string) => {
    const text = await docker("inspect", "-f", `{{json ${what}}}`, "pp");
    return [...new Set([...text.matchAll(/"HostPort":"(\d+)"/g)].map(([, port]) => port!))].sort();
  };
  const results = new Set<string>();
  for (let n = 0; n < 32; n++) {
    const [has] = await hostPorts(".HostConfig.PortBindings");
    const next = has === "6000" ? 6001 : 6000;
    const answer = changePorts("pp", { PublishAdd: binding(next), PublishRm: binding(Number(has)) }).catch(
      () => {},
    );
    await Bun.sleep((n % 16) ** 2 / 8);
    await daemon.stop("SIGKILL");
    await answer;
    await daemon.start({ under: engine.under });
    const asked = await hostPorts(".HostConfig.PortBindings");
    expect(await hostPorts(".NetworkSettings.Ports")).toEqual(asked);
    expect([["6000"], ["6001"]]).toContainEqual(asked);
    results.add(asked[0] === has ? "nothing" : "all");
  }
  expect([...results].sort()).toEqual(["all", "nothing"]);
  await docker("rm", "-f", "pp");
}, 120_000);

test.each(["nftables", "iptables"] as const)(
  "after kill -9 in the midst of it, nothing is left but what the rows say, and no packet was lost (%s)",
  async (backend) => {
    const { engine, remote } = hosts.host;
    const begin = () => daemon.start({ under: engine.under, args: ["--firewall-backend", backend] });
    await daemon.stop();
    await begin();
    await docker("network", "create", "kept");
    await docker("network", "create", "--ipv6", "other");
    await sleeper("aa", "--network", "kept");
    await sleeper("bb", "--network", "kept");
    await sleeper("pp", "-p", "5000:5000/udp", "-p", "6001:5000/udp");
    await sleeper("moving", "--network", "kept");
    // A bridge that was never used has no link-local address yet.
    await docker("run", "--rm", "--network", "other", "busybox", "true");
    const streams = await Promise.all([
      UdpStream.start(
        await inside("aa"),
        { address: await addressOf("bb", "kept"), port: 5000 },
        await inside("bb"),
        5000,
      ),
      UdpStream.start(remote.under, { address: engine.ipv4, port: 5000 }, await inside("pp"), 5000),
    ]);
    await using stack = new AsyncDisposableStack();
    for (const stream of streams) stack.use(stream);
    // The kernel takes the link of the container that ended away behind us.
    await until(async () => (await veths()) === 4, "the four that stay to be alone", 10_000);
    const before = await takePicture(engine, daemon.folder);

    for (let round = 0; round < 8; round++) {
      await sleeper("restarted", "--label", "bustle", "--network", "other", "-p", "5001:80");
      const working = bustle(round);
      // Another moment of the work each time: after the first, the second, … is done, or a little later.
      await Promise.race(working.slice(round % working.length));
      await Bun.sleep(round * 15);
      await daemon.stop("SIGKILL");
      const ended = Promise.all(working);
      await begin();
      await ended;

      const running = (await docker("ps", "-q", "--no-trunc")).split("\n").filter(Boolean);
      const attached = await docker(
        ...["inspect", "-f", "{{.Name}}{{range $name, $_ := .NetworkSettings.Networks}} {{$name}}{{end}}"],
        ...running,
      );
      const endpoints = attached.split("\n").flatMap((line) => line.split(" ").slice(1));
      // Of a container that has just ended, the kernel takes the link away behind us.
      const fit = async () => (await veths()) === endpoints.length;
      await until(fit, "a link for each endpoint", 10_000).catch(async (error: Error) => {
        const { links, rows } = await takePicture(engine, daemon.folder);
        throw new Error(`${error.message}: ${await veths()}\n${[attached, ...links, ...rows].join("\n")}`);
      });
      expect(readdirSync(join(daemon.folder, "exec/netns")).sort()).toEqual(
        running.map((id) => id.slice(0, 12)).sort(),
      );

      const made = (await docker("ps", "-aq", "--filter", "label=bustle")).split("\n").filter(Boolean);
      if (made.length > 0) await docker("rm", "-f", ...made);
      await docker("network", "prune", "-f", "--filter", "label=bustle");
      await changePorts("pp", { PublishAdd: binding(6001), PublishRm: binding(6000) });
      const joined = await docker(
        ...["inspect", "-f", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}", "moving"],
      );
      if (joined.includes("other")) await docker("network", "disconnect", "other", "moving");
      const different = async () => changes(before, await takePicture(engine, daemon.folder));
      const same = async () => (await different()).length === 0;
      await until(same, "everything to be as before", 5000).catch(async () =>
        expect(await different()).toEqual([]),
      );
    }

    const all = /^\d{4,} sent, 0 lost \(\), 0 twice, 0 late$/;
    const said = await Promise.all(streams.map((stream) => stream.end()));
    expect(said).toEqual([expect.stringMatching(all), expect.stringMatching(all)]);
    await docker("rm", "-f", "aa", "bb", "pp", "moving");
    await docker("network", "rm", "kept", "other");
    const { Status } = (await (await daemon.request("/v1.55/networks/bridge")).json()) as {
      Status: { IPAM: { Subnets: Record<string, { IPsInUse: number }> } };
    };
    // The subnet's own address, the broadcast and the gateway.
    expect(Object.values(Status.IPAM.Subnets)).toMatchObject([{ IPsInUse: 3 }]);
    await daemon.stop();
    // The kernel takes the links of namespaces that are gone away behind us.
    const left = async () =>
      (await engine.ip<{ ifname: string }[]>("link")).filter(({ ifname }) => !/^(lo|lan)$/.test(ifname));
    await until(async () => (await left()).length === 0, "all links to go", 5000).catch(async () =>
      expect(await left()).toEqual([]),
    );
    const after = await takePicture(engine, daemon.folder);
    // iptables itself leaves its tables, with nothing in them.
    if (backend === "iptables")
      after.firewall = after.firewall.filter((piece) => /tsd|docker|drop/i.test(piece));
    expect({ ...after, links: [], addresses: [], routes: [], rules: [], rows: [] }).toMatchObject({
      firewall: [],
      mounts: [],
      namespaces: [],
    });
    expect(
      existsSync(join(daemon.folder, "exec/netns")) && readdirSync(join(daemon.folder, "exec/netns")),
    ).toEqual([]);
    expect(after.rows.filter((row) => !row.startsWith("networks "))).toEqual([]);
    await begin();
  },
  300_000,
);

test("the default bridge of a daemon that was killed goes with the successor that has no use for it", async () => {
  const { engine } = hosts.host;
  await docker("run", "--rm", "busybox", "true");
  await daemon.stop("SIGKILL");
  await daemon.start({ under: engine.under });
  await daemon.stop();
  const links = async () =>
    (await engine.ip<{ ifname: string }[]>("link")).map(({ ifname }) => ifname).sort();
  try {
    await until(async () => (await links()).length === 2, "only lo and lan to be left", 5000);
  } finally {
    await daemon.start({ under: engine.under });
  }
}, 60_000);
