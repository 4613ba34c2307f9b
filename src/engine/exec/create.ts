/** POST /containers/NAME/exec. */
import { randomBytes } from "node:crypto";
import type { Container } from "../container/container.ts";
import { emit, requireRunning } from "../container/context.ts";
import { overrideEnv } from "../container/merge.ts";
import { readEtc } from "../container/rootfs.ts";
import { containerEnv } from "../container/spec.ts";
import { resolveUser } from "../container/user.ts";
import { parseDetachKeys } from "../detach-keys.ts";
import { EngineError } from "../errors.ts";
import type { ExecCreateBody } from "../services.ts";
import type { ExecContext } from "./context.ts";
import type { Exec } from "./exec.ts";

/** `name` is how the caller named it: the sentence says the same. */
export function requireActive(container: Container, name: string = container.id): void {
  requireRunning(container);
  if (container.state.status === "paused") {
    throw new EngineError("conflict", `Container ${name} is paused, unpause the container before exec`);
  }
}

export function create(ctx: ExecContext, name: string, body: ExecCreateBody): { Id: string } {
  const container = ctx.store.find(name);
  const command = body.Cmd ?? [];
  if (command.length === 0) throw new EngineError("invalid", "No exec command specified");
  requireActive(container, name);
  const { config } = container.record;
  if (body.User) checkUser(ctx, container, body.User);
  checkKeys(body.DetachKeys ?? "");
  const exec: Exec = {
    id: randomBytes(32).toString("hex"),
    container: container.id,
    command,
    tty: body.Tty ?? false,
    stdin: body.AttachStdin ?? false,
    stdout: body.AttachStdout ?? false,
    stderr: body.AttachStderr ?? false,
    privileged: body.Privileged ?? false,
    user: body.User || config.User,
    workingDir: body.WorkingDir || config.WorkingDir,
    env: overrideEnv(
      containerEnv(config, body.Tty ?? false, ctx.networks.linkVariables(container)),
      body.Env ?? [],
    ),
    detachKeys: body.DetachKeys ?? "",
    consoleSize: body.ConsoleSize ?? undefined,
    running: false,
    exitCode: null,
    pid: 0,
  };
  ctx.execs.save(exec);
  container.execs.add(exec.id);
  emit(ctx, container, `exec_create: ${command[0]} ${command.slice(1).join(" ")}`, { execID: exec.id });
  return { Id: exec.id };
}

/** Another word than for an attachment, and a fault of the daemon's, as in Docker. */
function checkKeys(keys: string): void {
  try {
    parseDetachKeys(keys);
  } catch (cause) {
    throw new EngineError("internal", `Invalid escape keys (${keys}) provided`, { cause });
  }
}

/** Unlike at start, an unknown user is the client's mistake. */
function checkUser(ctx: ExecContext, container: Container, user: string): void {
  const rootfs = ctx.images.rootfs(container.id);
  try {
    resolveUser(user, [], (path) => readEtc(rootfs, path));
  } catch (cause) {
    throw new EngineError("invalid", (cause as Error).message, { cause });
  }
}
