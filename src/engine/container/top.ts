/** GET /containers/NAME/top: the host's ps, and of its lines those of the container's processes. */
import { readdirSync, readFileSync } from "node:fs";
import { EngineError } from "../errors.ts";
import { type ContainerContext, emit, notRunning, requireRunning } from "./context.ts";
import { hasEnded } from "./process.ts";

export interface Top {
  Titles: string[];
  Processes: string[][];
}

/** Renaming another column to PID would make the filter below look at the wrong one. */
function checkArgs(args: readonly string[]): void {
  for (const match of args.join(" ").matchAll(/\s+([^\s]*)=\s*(PID[^\s]*)/g)) {
    if (match[1] !== "pid")
      throw new EngineError("internal", `specifying "${match[1]}=${match[2]}" is not allowed`);
  }
}

function processesBelow(folder: string): number[] {
  const own = readFileSync(`${folder}/cgroup.procs`, "latin1").split("\n").filter(Boolean).map(Number);
  const children = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...own, ...children.flatMap((entry) => processesBelow(`${folder}/${entry.name}`))];
}

/** All processes in the cgroup of a container's first process. */
export function processesOf(pid: number): number[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "latin1").trim().split("\n");
  const paths = new Map(
    lines.map((line) => line.split(":")).map(([, controllers, ...path]) => [controllers!, path.join(":")]),
  );
  const candidates = [...paths].flatMap(([controllers, path]) =>
    controllers === ""
      ? [`/sys/fs/cgroup${path}`, `/sys/fs/cgroup/unified${path}`]
      : [`/sys/fs/cgroup/${controllers.replace("name=", "")}${path}`],
  );
  // On a hybrid host, the v2 hierarchy may know nothing of the container.
  for (const controllers of ["pids", "devices", "memory", "freezer"]) {
    const path = paths.get(controllers);
    if (path !== undefined) candidates.unshift(`/sys/fs/cgroup/${controllers}${path}`);
  }
  for (const folder of candidates) {
    try {
      const found = processesBelow(folder);
      if (found.includes(pid)) return found;
    } catch {
      // Not mounted there.
    }
  }
  throw new EngineError("internal", `cannot find the cgroup of process ${pid}`);
}

const fields = (line: string): string[] => line.split(/[\t\n\f\r ]+/).filter((field) => field !== "");

export function parsePs(output: string, pids: ReadonlySet<number>): Top {
  const [head = "", ...lines] = output.split("\n");
  const Titles = fields(head);
  const column = Titles.indexOf("PID");
  if (column < 0) throw new EngineError("internal", "Couldn't find PID field in ps output");
  const Processes: string[][] = [];
  let inside = false;
  for (const line of lines) {
    if (line === "") continue;
    const words = fields(line);
    // A thread's line (ps -m) has "-" and belongs to the process above it.
    if (words[column] !== "-") {
      const pid = Number(words[column]);
      if (!Number.isInteger(pid)) throw new EngineError("internal", `Unexpected pid '${words[column]}'`);
      inside = pids.has(pid);
    }
    if (inside)
      Processes.push([...words.slice(0, Titles.length - 1), words.slice(Titles.length - 1).join(" ")]);
  }
  return { Titles, Processes };
}

/** It reads the memory of processes, which may be a file whose server never answers. */
async function ps(
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<{ ok: boolean; output: string; error: string }> {
  let child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  try {
    child = Bun.spawn(["ps", ...args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      ...(signal && { signal, killSignal: "SIGKILL" }),
    });
  } catch (cause) {
    throw new EngineError("internal", `ps: exec: "ps": executable file not found in $PATH`, { cause });
  }
  const [output, error, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { ok: status === 0, output, error };
}

export async function top(
  ctx: ContainerContext,
  name: string,
  psArgs: readonly string[],
  signal?: AbortSignal,
): Promise<Top> {
  const args = psArgs.length > 0 ? psArgs : ["-ef"];
  checkArgs(args);
  const container = ctx.store.find(name);
  requireRunning(container);
  let pids: number[] = [];
  try {
    pids = processesOf(container.state.pid);
  } catch (error) {
    if (!hasEnded(container)) throw error;
  }
  // It may have ended just now, and its number be another's.
  if (hasEnded(container)) throw notRunning(container);
  // -q makes it quick, but some columns and other ps do not go with it.
  let result = await ps([...args, `-q${pids.join(",")}`], signal);
  if (!result.ok) result = await ps(args, signal);
  if (!result.ok) throw new EngineError("internal", `ps: ${result.error.split("\n", 1)[0] || "failed"}`);
  const processes = parsePs(result.output, new Set(pids));
  emit(ctx, container, "top");
  return processes;
}
