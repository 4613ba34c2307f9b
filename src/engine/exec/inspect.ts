/** GET /exec/ID/json and POST /exec/ID/resize. */
import { isEnding } from "../container/process.ts";
import { EngineError } from "../errors.ts";
import type { ExecInspect } from "../services.ts";
import type { ExecContext } from "./context.ts";
import { findActive } from "./start.ts";

const START_PATIENCE_MS = 10_000;
/** Between a process's end and the news of it lie microseconds, or the start of another shim on a busy machine. */
const END_PATIENCE_MS = 30_000;
/** What docker's client ends with when the connection broke off before it knew a status. */
const CUT = 255;

/** True when it happened in time. */
async function within(ms: number, happening: Promise<void>): Promise<boolean> {
  const timeout = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => timeout.resolve(false), ms);
  try {
    return await Promise.race([happening.then(() => true), timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}

export async function inspect(ctx: ExecContext, id: string): Promise<ExecInspect> {
  const exec = ctx.execs.get(id);
  if (exec === undefined || ctx.store.byId(exec.container) === undefined) {
    throw new EngineError("notFound", `No such exec instance: ${id}`);
  }
  // Clients ask for the status when the stream ends, which it may do before the news of the exit are here.
  if (exec.running && exec.pid !== 0 && isEnding(exec.pid)) {
    const told = await within(END_PATIENCE_MS, ctx.execs.until("end", id));
    // Without a status clients would take it for a success.
    if (!told && exec.running)
      throw new EngineError("unavailable", `exec ${id} has ended, and its exit status is not known yet`);
  }
  const [entrypoint = "", ...args] = exec.command;
  return {
    ID: id,
    Running: exec.running,
    // A client whose stream broke off asks for the status: null would be a success to it, while it runs on.
    ExitCode: exec.exitCode ?? (exec.cut ? CUT : null),
    ProcessConfig: {
      tty: exec.tty,
      entrypoint,
      arguments: args,
      privileged: exec.privileged,
      ...(exec.user !== "" && { user: exec.user }),
    },
    OpenStdin: exec.stdin,
    OpenStderr: exec.stderr,
    OpenStdout: exec.stdout,
    CanRemove: false,
    ContainerID: exec.container,
    DetachKeys: exec.detachKeys,
    Pid: exec.pid,
  };
}

export async function resize(
  ctx: ExecContext,
  id: string,
  { cols, rows }: { cols: number; rows: number },
): Promise<void> {
  const { exec } = findActive(ctx, id);
  // A terminal's size is sent while the start is still under way.
  if (
    exec.pid === 0 &&
    exec.exitCode === null &&
    !(await within(START_PATIENCE_MS, ctx.execs.until("begin", id)))
  ) {
    throw new EngineError("internal", "timeout waiting for exec session ready");
  }
  if (exec.pid === 0) throw new EngineError("invalid", "exec process is not started");
  await ctx.shim.resize(id, cols, rows);
}
