/**
 * A process's standard streams: inherited, pipes made by the stage, or a terminal of the container's own devpts.
 */
import { O } from "../../ffi/file.ts";
import { SOCK, TIO } from "../../ffi/socket-flags.ts";
import { openHost } from "./inside.ts";
import { flags, type PlanBuilder } from "./plan.ts";
import type { KeepStep } from "./steps.ts";

export type ProcessIo =
  | { kind: "inherit" }
  /** Held by a keeper. */
  | { kind: "pipes"; stdin: boolean }
  | {
      kind: "pty";
      cols?: number;
      rows?: number;
      /**
       * Who gets the master: the keeper; a console socket, as runc's `--console-socket`; or whoever has the other
       * end of a socket that the stage was given as this fd.
       */
      master: "keeper" | { socketPath: string } | { fd: number };
    };

export type Held = KeepStep["held"][number];

/** What the first process of a plan prepares and its child takes up. */
export interface Streams {
  /** In the child: fds 0 to 2, from the ends of the pipes. */
  readonly child?: { stdin?: number; stdout: number; stderr: number };
  /** For the keeper. */
  readonly held: readonly Held[];
  /** A socket that takes the terminal's master. */
  readonly terminal?: { socket: number; receive?: { socket: number; master: number; slave: number } };
}

/** Made before the clone. */
export function prepareStreams(plan: PlanBuilder, io: ProcessIo): Streams {
  if (io.kind === "inherit") return { held: [] };
  if (io.kind === "pipes") return preparePipes(plan, io.stdin);
  const socket = plan.fd();
  if (io.master === "keeper") {
    const receive = plan.fd();
    pair(plan, "socketpair", receive, socket);
    const ends = { socket: receive, master: plan.fd(), slave: plan.fd() };
    const held: Held[] = [
      { name: "master", fd: ends.master },
      { name: "slave", fd: ends.slave },
    ];
    return { held, terminal: { socket, receive: ends } };
  }
  if ("fd" in io.master) return { held: [], terminal: { socket: io.master.fd } };
  connectConsole(plan, io.master.socketPath, socket);
  return { held: [], terminal: { socket } };
}

function preparePipes(plan: PlanBuilder, stdin: boolean): Streams {
  const [outRead, outWrite, errRead, errWrite] = [plan.fd(), plan.fd(), plan.fd(), plan.fd()];
  pair(plan, "pipe2", outRead, outWrite);
  pair(plan, "pipe2", errRead, errWrite);
  const held: Held[] = [
    { name: "stdout", fd: outRead },
    { name: "stderr", fd: errRead },
  ];
  if (!stdin) return { child: { stdout: outWrite, stderr: errWrite }, held };
  const [inRead, inWrite] = [plan.fd(), plan.fd()];
  pair(plan, "pipe2", inRead, inWrite);
  return {
    child: { stdin: inRead, stdout: outWrite, stderr: errWrite },
    held: [{ name: "stdin", fd: inWrite }, ...held],
  };
}

const CLOEXEC = flags(O, "O_CLOEXEC");

/** A pipe's or a socket pair's two ends, at the numbers that the plan has for them. */
export function pair(plan: PlanBuilder, kind: "pipe2" | "socketpair", first: number, second: number): void {
  const both = plan.space(8, "two fds");
  if (kind === "pipe2") plan.call("pipe2", [both, CLOEXEC]);
  else plan.call("socketpair", [flags(SOCK, "AF_UNIX"), flags(SOCK, "SOCK_STREAM", "SOCK_CLOEXEC"), 0, both]);
  plan.get(plan.part(both, 0, 4), "i32", { fd: first }, kind);
  plan.get(plan.part(both, 4, 4), "i32", { fd: second }, kind);
}

/** struct sockaddr_un. */
export function unixAddress(plan: PlanBuilder, path: string) {
  const name = new TextEncoder().encode(path);
  if (name.length > 107) throw new RangeError(`socket path ${path} is longer than 107 bytes`);
  const bytes = new Uint8Array(2 + name.length + 1);
  bytes[0] = SOCK.AF_UNIX;
  bytes.set(name, 2);
  return plan.bytes(bytes, `{AF_UNIX, ${JSON.stringify(path)}}`);
}

function connectConsole(plan: PlanBuilder, path: string, fd: number): void {
  const label = `dial console socket ${JSON.stringify(path)}`;
  const address = unixAddress(plan, path);
  plan.call("socket", [flags(SOCK, "AF_UNIX"), flags(SOCK, "SOCK_STREAM", "SOCK_CLOEXEC"), 0], { label, fd });
  plan.call("connect", [fd, address, address.size], { label });
}

/** In the child: standard streams from pipes. What has no pipe is the container's own /dev/null, later. */
export function takePipes(plan: PlanBuilder, streams: Streams): void {
  const { child } = streams;
  if (!child) return;
  const ends = [child.stdin, child.stdout, child.stderr];
  ends.forEach((end, fd) => {
    if (end !== undefined) plan.call("dup3", [end, fd, 0], { label: "dup stdio" });
  });
}

export interface Terminal {
  readonly master: number;
  readonly slave: number;
}

/** After `master` was opened (of the container's own devpts): unlocks it and opens its other side, by descriptor. */
export function openSlave(plan: PlanBuilder, { master, slave }: Terminal, io: ProcessIo): void {
  const label = "open the terminal";
  const zero = plan.space(4, "0");
  plan.call("ioctl", [master, flags(TIO, "TIOCSPTLCK"), zero], { label });
  const how = flags(O, "O_RDWR", "O_NOCTTY", "O_CLOEXEC");
  plan.call("ioctl", [master, flags(TIO, "TIOCGPTPEER"), how], { label, fd: slave });
  if (io.kind !== "pty") return;
  if (typeof io.master === "object" && "fd" in io.master) printAsIs(plan, slave);
  if (!io.cols || !io.rows) return;
  const size = plan.struct(8, `${io.cols}x${io.rows}`, [
    [0, "u16", io.rows],
    [2, "u16", io.cols],
  ]);
  plan.call("ioctl", [master, flags(TIO, "TIOCSWINSZ"), size], { label: "set the size of the terminal" });
}

/** struct termios: c_oflag. */
const OUTPUT_AT = 4;
const OPOST = 1;

/**
 * Without ONLCR, as runc's: what is relayed comes to a terminal, which makes "\r\n" of "\n" itself, or to something that wants
 * none.
 */
function printAsIs(plan: PlanBuilder, terminal: number): void {
  const label = "set up the terminal";
  const settings = plan.space(36, "settings of the terminal");
  plan.call("ioctl", [terminal, flags(TIO, "TCGETS"), settings], { label });
  plan.put(OPOST, plan.part(settings, OUTPUT_AT, 4), "u32");
  plan.call("ioctl", [terminal, flags(TIO, "TCSETS"), settings], { label });
}

/** Makes it the three streams, and hands the master over. */
export function takeTerminal(plan: PlanBuilder, streams: Streams, { master, slave }: Terminal): void {
  const { terminal } = streams;
  if (!terminal) return;
  const label = "hand over the terminal";
  const payload = plan.string("/dev/ptmx");
  plan.add({ op: "pass", socket: terminal.socket, send: master, payload, label });
  if (terminal.receive) plan.add({ op: "pass", socket: terminal.socket, send: slave, label });
  for (const fd of [0, 1, 2]) plan.call("dup3", [slave, fd, 0], { label: "dup stdio" });
}

/** By the session's leader, after {@link takeTerminal}. */
export function controlTerminal(plan: PlanBuilder): void {
  plan.call("ioctl", [0, flags(TIO, "TIOCSCTTY"), 0], { label: "ioctl(setctty)" });
}

/** In the first process, once the child has gone on: the terminal that it made. */
export function receiveTerminal(plan: PlanBuilder, streams: Streams): void {
  const receive = streams.terminal?.receive;
  if (!receive) return;
  const label = "receive the terminal";
  plan.add({ op: "receive", socket: receive.socket, fd: receive.master, label });
  plan.add({ op: "receive", socket: receive.socket, fd: receive.slave, label });
}

/** The process may want to open /dev/stdout again, as its user. */
export function streamsOf(streams: Streams, io: ProcessIo): number[] {
  if (io.kind === "pty") return [0];
  return streams.child?.stdin === undefined ? [1, 2] : [0, 1, 2];
}

/** Streams that are the host's /dev/null become the container's. */
export function reopenNull(plan: PlanBuilder, fd: number, streams: readonly number[]): void {
  if (streams.length === 0) return;
  const opened = plan.slot("/dev/null");
  openHost(plan, "/dev/null", ["O_RDWR", "O_NOFOLLOW", "O_CLOEXEC"], {
    label: "reopen /dev/null",
    fd,
    slot: opened,
    tolerate: "all",
  });
  plan.unless(opened, "negative", () => {
    for (const stream of streams)
      plan.call("dup3", [fd, stream, 0], { label: "reopen /dev/null inside container" });
  });
}
