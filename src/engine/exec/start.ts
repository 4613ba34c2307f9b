/** POST /exec/ID/start. */
import type { Duplex } from "node:stream";
import type { Container } from "../container/container.ts";
import { emit, notRunning } from "../container/context.ts";
import { isEnding } from "../container/process.ts";
import { readEtc } from "../container/rootfs.ts";
import { parseSecurityOpt } from "../container/security-opt.ts";
import { capabilitySets, setsFor, withHome } from "../container/spec.ts";
import { specRlimits } from "../container/spec-resources.ts";
import { classify, runtimeSentence } from "../container/start-error.ts";
import { resolveUser } from "../container/user.ts";
import { EngineError } from "../errors.ts";
import type { Process } from "../runtime/spec.ts";
import type { Attachment } from "../services.ts";
import type { ContainerIo } from "../shim/types.ts";
import type { ExecContext } from "./context.ts";
import { requireActive } from "./create.ts";
import type { Exec } from "./exec.ts";

const CANNOT_INVOKE = 126;
const PREFIX = "OCI runtime exec failed: exec failed: ";

export type StartOptions = { detach: boolean; consoleSize?: { cols: number; rows: number } };

/** @throws EngineError notFound, or conflict when its container cannot run it */
export function findActive(ctx: ExecContext, id: string): { exec: Exec; container: Container } {
  const exec = ctx.execs.get(id);
  if (exec === undefined) throw new EngineError("notFound", `No such exec instance: ${id}`);
  const container = ctx.store.byId(exec.container);
  if (container === undefined) throw new EngineError("notFound", `No such container: ${id}`);
  requireActive(container);
  return { exec, container };
}

export function requireFresh(exec: Exec): void {
  if (exec.exitCode !== null) throw new EngineError("conflict", `exec command ${exec.id} has already run`);
  if (exec.running) throw new EngineError("conflict", `exec command ${exec.id} is already running`);
}

function processOf(ctx: ExecContext, exec: Exec, { record, id }: Container, size: [number, number]): Process {
  const rootfs = ctx.images.rootfs(id);
  const { hostConfig } = record;
  const { home, ...user } = resolveUser(exec.user, hostConfig.GroupAdd ?? [], (path) =>
    readEtc(rootfs, path),
  );
  const all = ctx.host.capabilities;
  return {
    terminal: exec.tty,
    consoleSize: exec.tty && size[0] > 0 ? { height: size[0], width: size[1] } : undefined,
    user,
    args: exec.command,
    env: withHome(exec.env, home),
    cwd: exec.workingDir || "/",
    capabilities: exec.privileged ? setsFor(user.uid, all) : capabilitySets(hostConfig, ctx.host, user.uid),
    rlimits: specRlimits(hostConfig.Ulimits, ctx.host),
    noNewPrivileges: parseSecurityOpt(hostConfig.SecurityOpt).noNewPrivileges,
    oomScoreAdj: hostConfig.OomScoreAdj,
  };
}

export async function start(
  ctx: ExecContext,
  id: string,
  { detach, consoleSize }: StartOptions,
): Promise<(Attachment & { socket: Duplex; detachKeys: string }) | undefined> {
  const { exec, container } = findActive(ctx, id);
  requireFresh(exec);
  exec.running = true;
  exec.attached = !detach;
  const [command, ...args] = exec.command;
  emit(ctx, container, `exec_start: ${command} ${args.join(" ")}`, { execID: id });
  const size: [number, number] = consoleSize
    ? [consoleSize.rows, consoleSize.cols]
    : (exec.consoleSize ?? [0, 0]);
  const stdin = exec.stdin && !detach;
  const io: ContainerIo = exec.tty
    ? { kind: "pty", stdin, stdinOnce: true, rows: size[0], cols: size[1] }
    : { kind: "pipes", stdin, stdinOnce: true };
  let socket: Duplex | undefined;
  try {
    const process = processOf(ctx, exec, container, size);
    // Attached before it runs: its first byte is delivered, too.
    if (!detach)
      socket = await ctx.shim.attach(id, { stdin, stdout: exec.stdout, stderr: exec.stderr }, io.kind);
    socket?.once("cut", () => {
      exec.cut = true;
    });
    const { pid } = await ctx.shim.exec({ id, container: container.id, process, io });
    // It may have ended before we hear of its pid: that must not be undone.
    exec.pid = pid;
    ctx.execs.save(exec);
  } catch (cause) {
    socket?.destroy();
    throw failed(ctx, exec, container, cause);
  } finally {
    ctx.execs.told("begin", id);
  }
  if (detach) return undefined;
  return {
    tty: exec.tty,
    socket: socket!,
    detachKeys: exec.detachKeys,
    detached: () => emit(ctx, container, "exec_detach", { execID: id }),
  };
}

function failed(ctx: ExecContext, exec: Exec, container: Container, cause: unknown): EngineError {
  // Whatever failed then, it is the container's end that it met.
  const reason = isEnding(container.state.pid) ? notRunning(container) : cause;
  const known = reason instanceof EngineError && (reason.kind === "conflict" || reason.kind === "notFound");
  const message = known ? reason.message : PREFIX + runtimeSentence(reason, "");
  const { exitCode, suffix, kind } = classify(message, (reason as { code?: unknown }).code);
  exec.running = false;
  exec.exitCode = exitCode === 127 ? exitCode : CANNOT_INVOKE;
  exec.endedAt = Date.now();
  container.execs.delete(exec.id);
  ctx.execs.save(exec);
  return new EngineError(known ? reason.kind : kind, message + suffix, { cause });
}
