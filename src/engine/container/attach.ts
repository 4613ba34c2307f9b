/** POST /containers/NAME/attach and /resize. */
import { EngineError } from "../errors.ts";
import type { Attachment, AttachRequest } from "../services.ts";
import { type ContainerContext, emit, notRunning, requireRunning } from "./context.ts";
import { logOf } from "./logs.ts";
import { hasEnded } from "./process.ts";

export async function attach(
  ctx: ContainerContext,
  name: string,
  request: AttachRequest,
): Promise<Attachment> {
  const container = ctx.store.find(name);
  if (container.state.status === "paused") {
    throw new EngineError("conflict", `container ${name} is paused, unpause the container before attach`);
  }
  const { Tty: tty, OpenStdin } = container.record.config;
  const past = request.logs
    ? logOf(ctx, container, {
        stdout: request.stdout,
        stderr: request.stderr,
        tail: -1,
        follow: false,
        timestamps: false,
        details: false,
        signal: request.signal,
      })
    : undefined;
  const { stdin, stdout, stderr, stream } = request;
  // Attached to none of the three, it is over at once: nothing could ever come.
  const socket =
    stream && (stdin || stdout || stderr)
      ? await ctx.shim.attach(
          container.id,
          { stdin: stdin && OpenStdin, stdout, stderr },
          tty ? "pty" : "pipes",
        )
      : undefined;
  emit(ctx, container, "attach");
  return { tty, past, socket, detached: () => emit(ctx, container, "detach") };
}

export async function resize(
  ctx: ContainerContext,
  name: string,
  { cols, rows }: { cols: number; rows: number },
): Promise<void> {
  const container = ctx.store.find(name);
  requireRunning(container);
  await ctx.shim.resize(container.id, cols, rows).catch((error: unknown) => {
    throw hasEnded(container) ? notRunning(container) : error;
  });
  emit(ctx, container, "resize", { height: String(rows), width: String(cols) });
}
