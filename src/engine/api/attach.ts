/**
 * Attach and exec start: requests whose connection becomes a container's standard streams. Most clients ask for
 * an upgrade and get the raw socket; one that does not gets the output as the answer's body.
 * @source Engine API, operation ContainerAttach, section "Hijacking"
 */
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from "../detach-keys.ts";
import { EngineError } from "../errors.ts";
import type { Attachment, Engine } from "../services.ts";
import type { Call } from "./call.ts";
import { execStartRequest } from "./json/requests.ts";

export const RAW_STREAM = "application/vnd.docker.raw-stream";
export const MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream";

export interface Opened extends Attachment {
  /** Bytes that end the attachment when they come in a row; looked for on terminals only. */
  detachKeys: Uint8Array;
  /** False: what the client sends is dropped. */
  stdin: boolean;
  /** A terminal's bytes go out in frames: the client did not say that it knows of a terminal (docker-py). */
  framed?: boolean;
}

export async function openAttach(call: Call, engine: Engine): Promise<Opened> {
  const { query } = call;
  const detachKeys = namedKeys(query.text("detachKeys"));
  const stdin = query.flag("stdin");
  const attachment = await engine.containers.attach(call.name, {
    stdin,
    stdout: query.flag("stdout"),
    stderr: query.flag("stderr"),
    logs: query.flag("logs"),
    stream: query.flag("stream"),
    signal: call.signal,
  });
  return { ...attachment, detached: () => attachment.detached(), detachKeys, stdin };
}

function namedKeys(text: string): Uint8Array {
  try {
    return parseDetachKeys(text);
  } catch (cause) {
    throw new EngineError("invalid", `Invalid detach keys (${text}) provided`, { cause });
  }
}

export interface ExecStart {
  detach: boolean;
  /** What the client says of the terminal, which the exec itself decides. */
  tty: boolean;
  consoleSize?: { cols: number; rows: number };
}

export async function readExecStart(call: Call, engine: Engine): Promise<ExecStart> {
  const body = await call.json<{ Detach?: boolean; Tty?: boolean; ConsoleSize?: [number, number] }>(
    execStartRequest,
  );
  engine.execs.check(call.name);
  const size = body.Tty && !call.before("1.42") ? body.ConsoleSize : undefined;
  return {
    detach: body.Detach ?? false,
    tty: body.Tty ?? false,
    consoleSize: size && { rows: size[0], cols: size[1] },
  };
}

export async function openExec(call: Call, engine: Engine, { consoleSize, tty }: ExecStart): Promise<Opened> {
  const attachment = await engine.execs.start(call.name, { detach: false, consoleSize });
  let detachKeys = DEFAULT_DETACH_KEYS;
  try {
    detachKeys = parseDetachKeys(attachment.detachKeys);
  } catch {
    // Checked when the exec was made; a row of another build may know more.
  }
  return {
    ...attachment,
    detached: () => attachment.detached(),
    detachKeys,
    stdin: true,
    framed: attachment.tty && !tty,
  };
}

export function streamType(opened: Opened, call: Call): string {
  return opened.tty || call.before("1.42") ? RAW_STREAM : MULTIPLEXED_STREAM;
}

/** One frame of a multiplexed stream: stream number, three zeros, length, bytes. */
export function frame(stream: 1 | 2, bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

/** The output alone, for clients without an upgrade. */
export async function* outputOf({ past, socket, framed }: Opened): AsyncGenerator<Uint8Array> {
  if (past) yield* past;
  if (!socket) return;
  try {
    for await (const chunk of socket) yield framed ? frame(1, chunk) : chunk;
  } finally {
    socket.destroy();
  }
}
