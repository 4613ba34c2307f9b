/** What every measurement is made with: sides in turn, medians, and a table of ratios held against budgets. */
import { writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";

export interface Row {
  what: string;
  peer: number;
  ours: number;
  unit: "ms" | "KiB";
  /** Undefined: measured, and held to nothing. */
  budget?: number;
}
export const rows: Row[] = [];

export function time(...command: string[]): number {
  const begin = performance.now();
  const done = Bun.spawnSync(command, { stdout: "ignore", stderr: "pipe" });
  if (!done.success) throw new Error(`${command.join(" ")}: ${done.stderr}`);
  return performance.now() - begin;
}
export const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/**
 * What one side has just ended is still being taken away: its own processes tidy up, and the kernel has one lock for the
 * links of all namespaces, and holds it meanwhile. It is in its own way, and shall not be in the other's.
 */
export const QUIET_MS = 300;

/**
 * All sides in turn, so that a noisy moment hits all, each after it has been quiet, and in the other order the next time.
 * The first round only warms up.
 */
export async function rounds<Side extends string>(
  times: number,
  sides: Record<Side, () => number | Promise<number>>,
): Promise<Record<Side, number>> {
  const names = Object.keys(sides) as Side[];
  const all = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Side, number[]>;
  for (let n = 0; n <= times; n++) {
    for (const name of n % 2 === 0 ? names : names.toReversed()) {
      await Bun.sleep(QUIET_MS);
      const value = await sides[name]();
      if (n > 0) all[name].push(value);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(all[name])])) as Record<Side, number>;
}

export async function compare(
  what: string,
  budget: number,
  peer: () => number,
  ours: () => number,
  times = 9,
): Promise<void> {
  rows.push({ what, budget, unit: "ms", ...(await rounds(times, { peer, ours })) });
}

/** `docker run -d` of `many0` to `many19`, all at once; until the last client has ended. */
export async function startTwenty(socket: string, ...flags: string[]): Promise<number> {
  const begin = performance.now();
  const docker = ["docker", "-H", `unix://${socket}`, "run", "-d", ...flags];
  const all = Array.from({ length: 20 }, (_, n) => {
    const words = [...docker, "--name", `many${n}`, "busybox", "sleep", "3600"];
    return Bun.spawn(words, { stdio: ["ignore", "ignore", "inherit"] }).exited;
  });
  if ((await Promise.all(all)).some((status) => status !== 0))
    throw new Error("one of 20 containers did not start");
  return performance.now() - begin;
}

/** Prints the table, keeps it when asked to, and says with the exit status whether a budget was passed. */
export function report(keep: boolean): void {
  const table = [
    "| what | peer | tsd | ratio | budget | |",
    "| --- | --- | --- | --- | --- | --- |",
    ...rows.map(({ what, peer, ours, unit, budget }) => {
      const ratio = ours / peer;
      return `| ${what} | ${peer.toFixed(1)} ${unit} | ${ours.toFixed(1)} ${unit} | ${ratio.toFixed(3)} | ${budget?.toFixed(3) ?? ""} | ${ratio <= (budget ?? ratio) ? "" : "ABOVE"} |`;
    }),
  ].join("\n");
  const version = (...command: string[]) => Bun.spawnSync(command).stdout.toString().split("\n")[0];
  const machine = `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC, Linux ${release()}, ${cpus().length} × ${cpus()[0]?.model}`;
  const peers = [
    version("dockerd", "--version"),
    version("docker", "--version"),
    version("runc", "--version"),
  ].join("; ");
  const text = `${machine}\n\nPeers: ${peers}. Medians of runs in turn; a ratio is ours / theirs.\n\n${table}\n`;
  console.log(text);
  if (keep) writeFileSync(join(import.meta.dir, "RESULTS.md"), `# npm run bench\n\n${text}`);
  if (rows.some(({ peer, ours, budget }) => budget !== undefined && ours / peer > budget))
    process.exitCode = 1;
}
