/**
 * The raw side of attach and exec start: `101 UPGRADED`, then bytes both ways with half-close, until either side
 * has ended.
 */
import type { Duplex } from "node:stream";
import { DetachScanner } from "../detach-keys.ts";
import { reasonOf } from "../reason.ts";
import type { Engine } from "../services.ts";
import {
  frame,
  MULTIPLEXED_STREAM,
  type Opened,
  openAttach,
  openExec,
  RAW_STREAM,
  readExecStart,
  streamType,
} from "./attach.ts";
import type { Call } from "./call.ts";
import { errorResponse, statusOf } from "./errors.ts";
import { SERVER_HEADERS } from "./headers.ts";
import { statusLine } from "./http/status.ts";

/** How long a client may take to close after the end of output was sent. */
const LINGER_MS = 10_000;

/**
 * docker-py reads the head through a buffer and all else past it: what comes with the head is lost to it. A log is
 * there at once, where other output takes its time.
 */
const HEAD_FIRST_MS = 10;

/** `begun` is called when no output can be missed any more. */
export async function upgradeAttach(
  call: Call,
  engine: Engine,
  client: Duplex,
  begun: () => void = () => {},
): Promise<void> {
  let opened: Opened;
  try {
    opened = await openAttach(call, engine);
  } catch (error) {
    const status = statusOf(error);
    client.end(
      `${statusLine(status)}Content-Type: ${RAW_STREAM}\r\nConnection: close\r\n\r\n${reasonOf(error)}\r\n`,
    );
    return;
  }
  begun();
  client.write(switching(streamType(opened, call)));
  if (opened.past) await Bun.sleep(HEAD_FIRST_MS);
  await join(client, opened);
}

export async function upgradeExec(call: Call, engine: Engine, client: Duplex): Promise<void> {
  try {
    const start = await readExecStart(call, engine);
    if (start.detach) {
      await engine.execs.start(call.name, { detach: true });
      client.end(`HTTP/1.1 200 OK\r\n${headerLines()}Content-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    client.write(switching(start.tty || call.before("1.42") ? RAW_STREAM : MULTIPLEXED_STREAM));
    let opened: Opened;
    try {
      opened = await openExec(call, engine, start);
    } catch (error) {
      // The status is out: the client shows what comes, and asks inspect for the exit code.
      client.end(start.tty ? `${reasonOf(error)}\r\n` : frame(1, Buffer.from(`${reasonOf(error)}\r\n`)));
      return;
    }
    await join(client, opened);
  } catch (error) {
    const answer = errorResponse(error, call.version);
    const body = await answer.text();
    client.end(
      `${statusLine(answer.status)}${headerLines()}Content-Type: ${answer.headers.get("content-type")}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
}

const switching = (type: string) =>
  `HTTP/1.1 101 UPGRADED\r\n${headerLines()}Content-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`;

const headerLines = () =>
  Object.entries(SERVER_HEADERS)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");

/** Carries bytes both ways; resolves when nothing more can come. */
async function join(client: Duplex, opened: Opened): Promise<void> {
  const { past, socket } = opened;
  if (past) {
    for await (const chunk of past) {
      if (client.destroyed) break;
      if (!client.write(chunk)) await drained(client);
    }
  }
  if (!socket || client.destroyed) {
    socket?.destroy();
    finish(client);
    return;
  }
  const ended = new Promise<void>((resolve) => {
    socket.once("close", resolve);
  });
  socket.on("error", () => socket.destroy());
  client.on("close", () => socket.destroy());
  toContainer(client, opened, socket);
  socket.on("data", (chunk: Uint8Array) => {
    if (client.write(opened.framed ? frame(1, chunk) : chunk)) return;
    socket.pause();
    client.once("drain", () => socket.resume());
  });
  socket.on("end", () => finish(client));
  socket.on("close", () => finish(client));
  // A process that ended without a word: the end came before anybody listened, and comes once.
  if (socket.readableEnded) finish(client);
  await ended;
}

function toContainer(client: Duplex, opened: Opened, socket: Duplex): void {
  const scanner = opened.tty && opened.stdin ? new DetachScanner(opened.detachKeys) : undefined;
  client.on("data", (chunk: Uint8Array) => {
    if (!opened.stdin || socket.destroyed || socket.writableEnded) return;
    const typed = scanner?.scan(chunk);
    if (typed?.detached) {
      opened.detached();
      socket.destroy();
      return;
    }
    if (socket.write(typed?.pass ?? chunk)) return;
    client.pause();
    socket.once("drain", () => client.resume());
  });
  // The client's half-close is the end of stdin; output still flows. One that was not given stdin has only left.
  const ended = () => {
    if (opened.stdin) socket.end();
  };
  // It may have come while the process was being started.
  if (client.readableEnded) ended();
  else client.on("end", ended);
}

/** Ends our side; what the client still sends is read away, since closing over unread bytes would reset its reading. */
function finish(client: Duplex): void {
  if (client.destroyed || client.writableEnded) return;
  client.end();
  client.resume();
  const timer = setTimeout(() => client.destroy(), LINGER_MS);
  timer.unref();
  client.once("end", () => client.destroy());
  client.once("close", () => clearTimeout(timer));
}

function drained(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    stream.once("drain", resolve);
    stream.once("close", resolve);
  });
}
