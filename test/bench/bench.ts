/**
 * Measures pairs, alternating, and holds each ratio of medians against its budget. Words name the parts to measure
 * (`npm run bench -- run rest`): start, tsrunc, run, ps, rest, exec, many, lines, networks,
 * proxy, names, ports, ports-many, networks-many. Only a measurement of all is kept.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSeccomp } from "../../src/engine/runtime/seccomp-default.ts";
import { loadBusybox } from "../support/busybox.ts";
import { Daemon } from "../support/daemon.ts";
import { Dockerd } from "../support/dockerd.ts";
import { VolatileFolder } from "./exec-root.ts";
import { compare, median, report, rounds, rows, startTwenty, time } from "./measure.ts";
import { stackMemory } from "./memory.ts";
import { networks } from "./networks.ts";
import { manyNetworks } from "./networks-many.ts";
import { manyPorts, ports } from "./ports.ts";
import { names, proxies } from "./proxy.ts";

const TSD = process.env.TSD ?? join(import.meta.dir, "../../dist/tsd");
process.env.TSD = TSD;

const wanted = process.argv.slice(2);
const wants = (...parts: string[]) => wanted.length === 0 || parts.some((part) => wanted.includes(part));

const folder = mkdtempSync(join(tmpdir(), "tsd-bench-"));
const bin = join(folder, "bin");
/** Start-up of each personality, against an empty program that Bun compiled. */
async function startUp(): Promise<void> {
  writeFileSync(join(folder, "empty.ts"), "export {};\n");
  Bun.spawnSync([
    process.execPath,
    "build",
    "--compile",
    "--minify",
    "--bytecode",
    "--format=esm",
    join(folder, "empty.ts"),
    "--outfile",
    join(folder, "empty"),
  ]);
  const empty = () => time(join(folder, "empty"));
  const started = await rounds(25, {
    empty,
    tsrunc: () => time(join(bin, "tsrunc"), "--version"),
    tsd: () => time(join(bin, "tsd"), "--version"),
    "ts-shim": () => time(join(bin, "ts-shim"), "--version"),
    "ts-init": () => time(join(bin, "ts-init"), "--version"),
    "tsd daemon": () => time(join(bin, "tsd"), "daemon", "--version"),
  });
  const budgets: Partial<Record<keyof typeof started, number>> = { tsrunc: 1.5, tsd: 2 };
  for (const [name, ours] of Object.entries(started) as [keyof typeof started, number][]) {
    if (name === "empty") continue;
    const what = `\`${name} --version\` / an empty program`;
    const budget = budgets[name];
    rows.push({ what, unit: "ms", peer: started.empty, ours, ...(budget !== undefined && { budget }) });
  }
}

/** One bundle for both runtimes. */
async function bundleRun(): Promise<void> {
  const bundle = join(folder, "bundle");
  mkdirSync(join(bundle, "rootfs/bin"), { recursive: true });
  for (const each of ["proc", "dev", "sys"]) mkdirSync(join(bundle, "rootfs", each));
  cpSync("/bin/busybox", join(bundle, "rootfs/bin/busybox"));
  Bun.spawnSync(["runc", "spec"], { cwd: bundle });
  const spec = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
  spec.process.terminal = false;
  spec.process.args = ["/bin/busybox", "true"];
  // Docker's default profile, for the capabilities that the bundle has.
  spec.linux.seccomp = defaultSeccomp(spec.process.capabilities.bounding);
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  let run = 0;
  using state = new VolatileFolder();
  const runtime = (program: string) => () =>
    time(program, "--root", state.path, "run", "--bundle", bundle, `bench-${process.pid}-${run++}`);
  await compare(
    "`tsrunc run` / `runc run`, one bundle",
    0.35,
    runtime("runc"),
    runtime(join(bin, "tsrunc")),
    15,
  );
}

/** What needs Debian's dockerd and our daemon, side by side. */
async function daemons(): Promise<void> {
  using theirRoot = new VolatileFolder();
  using ourRoot = new VolatileFolder();
  await using peer = await theirRoot.holds(new Dockerd()).start();
  await using daemon = await ourRoot.holds(new Daemon()).start();
  const theirs = (...words: string[]) => time("docker", "-H", `unix://${peer.socket}`, ...words);
  const ours = (...words: string[]) => time("docker", "-H", `unix://${daemon.socket}`, ...words);
  const tsd = (...words: string[]) => time(join(bin, "tsd"), "-H", `unix://${daemon.socket}`, ...words);
  for (const engine of [peer, daemon]) loadBusybox(engine);

  /** Both have been left alone for so long that they have given back what they will. */
  const atRest = async () => {
    await Bun.sleep(5000);
    return { peer: stackMemory(peer.pid, peer.folder), ours: stackMemory(daemon.pid, daemon.folder) };
  };
  const once = ["run", "--rm", "--network", "none", "busybox", "true"];
  // What was used is given back at rest, and counts: so these runs are made for that, too.
  if (wants("run", "rest")) {
    const runs = await rounds(25, {
      peer: () => theirs(...once),
      docker: () => ours(...once),
      tsd: () => tsd(...once),
    });
    const { peer, docker, tsd: own } = runs;
    rows.push({ what: "`docker run --rm --network none`", peer, ours: docker, unit: "ms", budget: 1 / 8 });
    rows.push({ what: "`tsd run` / `docker run`, the same", peer, ours: own, unit: "ms", budget: 1 / 15 });
  }
  if (wants("ps")) {
    await compare(
      "`tsd ps` / `docker ps`, our daemon",
      1,
      () => ours("ps"),
      () => tsd("ps"),
      15,
    );
  }
  if (wants("rest"))
    rows.push({ what: "memory of all at rest", unit: "KiB", budget: 1 / 2, ...(await atRest()) });

  if (wants("exec")) await execs(theirs, ours);
  if (wants("many")) await twentyAtOnce(peer.socket, daemon.socket, { atRest, theirs, ours });
  if (wants("lines")) await manyLines(theirs, ours);
}

type Client = (...words: string[]) => number;

async function execs(theirs: Client, ours: Client): Promise<void> {
  const kept = ["run", "-d", "--network", "none", "--name", "kept", "busybox", "sleep", "3600"];
  theirs(...kept);
  ours(...kept);
  await compare(
    "`docker exec c true`",
    0.45,
    () => theirs("exec", "kept", "true"),
    () => ours("exec", "kept", "true"),
    15,
  );
}

interface Sides {
  atRest: () => Promise<{ peer: number; ours: number }>;
  theirs: Client;
  ours: Client;
}

async function twentyAtOnce(peer: string, daemon: string, { atRest, theirs, ours }: Sides): Promise<void> {
  const before = await atRest();
  const twenty = (socket: string) => startTwenty(socket, "--network", "none");
  const names = Array.from({ length: 20 }, (_, n) => `many${n}`);
  const each = (after: number, start: number) => (after - start) / 20;
  const [starts, removals]: Record<"peer" | "ours", number[]>[] = [
    { peer: [], ours: [] },
    { peer: [], ours: [] },
  ];
  for (let round = 0; round < 4; round++) {
    const begun = { peer: await twenty(peer), ours: await twenty(daemon) };
    if (round === 0) {
      const after = await atRest();
      rows.push({
        what: "memory of one of 20 idle containers",
        peer: each(after.peer, before.peer),
        ours: each(after.ours, before.ours),
        unit: "KiB",
        budget: 1 / 8,
      });
    }
    const removed = { peer: theirs("rm", "-f", ...names), ours: ours("rm", "-f", ...names) };
    for (const side of ["peer", "ours"] as const) {
      starts![side].push(begun[side]);
      removals![side].push(removed[side]);
    }
  }
  const middle = (sides: Record<"peer" | "ours", number[]>) => ({
    peer: median(sides.peer),
    ours: median(sides.ours),
  });
  rows.push({ what: "20 `docker run -d` at once", unit: "ms", budget: 1 / 6, ...middle(starts!) });
  rows.push({ what: "`docker rm -f` of the 20", unit: "ms", budget: 1 / 3, ...middle(removals!) });
}

async function manyLines(theirs: Client, ours: Client): Promise<void> {
  const lines = [
    "run",
    "--rm",
    "--network",
    "none",
    "busybox",
    "sh",
    "-c",
    "yes 'a line of eighty characters, as logs have them, printed again and again and so on' | head -n 1000000",
  ];
  await compare(
    "1,000,000 lines attached",
    1 / 2,
    () => theirs(...lines),
    () => ours(...lines),
    3,
  );
}

try {
  mkdirSync(bin);
  for (const name of ["tsd", "tsrunc", "ts-shim", "ts-init"]) symlinkSync(TSD, join(bin, name));
  Bun.spawnSync(["sync"]);

  if (wants("start")) await startUp();
  if (wants("tsrunc")) await bundleRun();
  if (wants("run", "ps", "rest", "exec", "many", "lines")) await daemons();
  if (wants("networks")) await networks(join(bin, "tsd"));
  if (wants("proxy")) await proxies(join(bin, "tsd"));
  if (wants("names")) await names();
  if (wants("ports")) await ports();
  if (wants("ports-many")) await manyPorts();
  if (wants("networks-many")) await manyNetworks();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

report(wanted.length === 0);
