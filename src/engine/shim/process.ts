/**
 * One supervised process, a container's or an exec's: its keeper, its streams, who is attached, and how it ended.
 */

import { F } from "../../ffi/file.ts";
import { closeFd, SystemError, signalPidfd, sys } from "../../ffi/libc.ts";
import { setWindowSize } from "../../ffi/poll.ts";
import { EngineError } from "../errors.ts";
import { encodeAttributes } from "../log/encode.ts";
import { nowNs } from "../log/time.ts";
import { LogFile, logFileOptions } from "../log/writer.ts";
import { readExitRecord } from "../runtime/exit-record.ts";
import type { Keeper, KeeperEvents } from "../runtime/keeper.ts";
import { killCgroups, ownCgroups } from "./cgroup.ts";
import { StdinWriter } from "./input.ts";
import type { Journal, Unfinished } from "./journal.ts";
import type { NamesSockets } from "./networks.ts";
import { Output, type OutputContext } from "./output.ts";
import type { Poller } from "./poller.ts";
import type { LaunchRecord, Records } from "./records.ts";
import type { Session } from "./session.ts";
import type { Exit, Supervised } from "./types.ts";

/** After the exit, streams that something else still holds open are read until they are quiet, or for so long. */
const DRAIN_MS = 2000;
const QUIET_MS = 200;

/** A process that a predecessor supervised. */
export interface Recovery {
  /** What the predecessor had read of it and not logged to the end. */
  unfinished: Unfinished | undefined;
}

/** What all processes of a shim share. */
export interface ProcessContext {
  readonly records: Records;
  readonly poller: Poller;
  readonly journal: Journal;
  warn(message: string): void;
  /** Takes over the sockets at which a container's names are asked for, until its exit. */
  answerNames(id: string, sockets: NamesSockets): void;
  onExit(process: SupervisedProcess, exit: Exit): void;
  onOom(id: string, time: bigint): void;
}

export class SupervisedProcess {
  readonly record: LaunchRecord;
  readonly #context: ProcessContext;
  readonly #sessions = new Set<Session>();
  readonly #outputs: Output[] = [];
  #keeper: Keeper | undefined;
  /** Null: it cannot be opened. */
  #log: LogFile | null | undefined;
  #input: StdinWriter | undefined;
  #master = -1;
  #pidfd = -1;
  #ending = false;
  readonly #adopted = Promise.withResolvers<void>();
  readonly #keeperGone = Promise.withResolvers<void>();
  exit: Exit | undefined;

  constructor(record: LaunchRecord, context: ProcessContext) {
    this.record = record;
    this.#context = context;
  }

  get id(): string {
    return this.record.id;
  }

  /** Of the process, whatever became of its number; -1 without its keeper. */
  get pidfd(): number {
    return this.#pidfd;
  }

  get running(): boolean {
    return this.exit === undefined && this.record.pid > 0;
  }

  /** For whoever connects to the keeper. */
  readonly events: KeeperEvents = {
    exit: (status, time) => {
      void this.#adopted.promise.then(() => this.#finish({ status, time }));
    },
    watch: () => {
      this.record.oomKilled = true;
      this.note();
      this.#context.onOom(this.record.container, nowNs());
    },
    close: (reason) => {
      this.#keeperGone.resolve();
      if (reason === "gone") void this.#adopted.promise.then(() => this.lose("its keeper was killed"));
    },
  };

  /**
   * Takes the keeper's fds and begins to read. What the keeper tells meanwhile is heeded afterwards.
   */
  async adopt(keeper: Keeper, recovery?: Recovery): Promise<void> {
    try {
      await this.#adopt(keeper, recovery);
    } finally {
      this.#adopted.resolve();
    }
  }

  async #adopt(keeper: Keeper, recovery: Recovery | undefined): Promise<void> {
    this.#keeper = keeper;
    const { poller } = this.#context;
    const { io } = this.record;
    const held = await keeper.take();
    // The keeper has not reaped it, or tells of its end at once: the number is nobody else's.
    if (this.#pidfd >= 0) closeFd(this.#pidfd);
    this.#pidfd = held.pidfd ?? Math.max(sys("pidfd_open", keeper.pid, 0), -1);
    for (const fd of [held.slave, held.other]) if (fd !== undefined) closeFd(fd);
    this.#context.answerNames(this.id, { udp: held.namesUdp, tcp: held.namesTcp });
    this.#openOutputs({ stdout: held.stdout ?? held.master, stderr: held.stderr }, recovery);
    let stdin = held.stdin;
    if (held.master !== undefined) {
      this.#master = sys("fcntl", held.master, F.F_DUPFD_CLOEXEC, 3);
      if (io.stdin) stdin = sys("fcntl", held.master, F.F_DUPFD_CLOEXEC, 3);
    }
    if (stdin !== undefined && stdin >= 0) {
      this.#input = new StdinWriter(stdin, {
        poller,
        closable: io.kind === "pipes" && io.stdinOnce,
        onClose: () => this.#keeper?.closeStdin(),
      });
    }
    for (const session of this.#sessions) this.#connect(session);
    for (const stream of this.#outputs) stream.start();
  }

  /** How a process ended that a predecessor saw to its end. */
  restoreExit(lost: LaunchRecord["lost"]): void {
    this.#adopted.resolve();
    this.#ending = true;
    const kept = readExitRecord(this.#context.records.exit(this.id));
    const { status, time, reason } = lost ?? {
      status: kept?.status ?? 137,
      time: (kept?.time ?? nowNs()).toString(),
      reason: undefined,
    };
    this.#setExit(status, time, reason);
  }

  /** While the stage is at work: nobody waits for it then. */
  openLog(): void {
    const { log } = this.record;
    if (log.driver !== "json-file" || this.#log !== undefined) return;
    try {
      this.#log = new LogFile(log.path, logFileOptions(log.options), this.#warnOfLog);
    } catch (error) {
      this.#log = null;
      this.#warnOfLog(error as Error);
    }
  }

  readonly #warnOfLog = (error: NodeJS.ErrnoException): void => {
    // Its folder is gone: a container that was removed when its start failed has a log no more.
    if (error.code !== "ENOENT") this.#context.warn(`log of ${this.id}: ${error.message}`);
  };

  /** `fds`: -1 for a stream of which only the past is left. */
  #openOutputs(fds: { stdout?: number; stderr?: number }, recovery: Recovery | undefined): void {
    const { poller, journal, records } = this.#context;
    const { id, io, log } = this.record;
    this.openLog();
    const context: OutputContext = {
      id,
      poller,
      journal,
      sessions: this.#sessions,
      log: this.#log ?? undefined,
      attributes: log.driver === "none" ? "" : encodeAttributes(log.attributes),
      raw: io.kind === "pty",
      warn: this.#warnOfLog,
    };
    for (const name of ["stdout", "stderr"] as const) {
      const fd = fds[name];
      if (fd === undefined) continue;
      const output = new Output(context, name, fd, records.carry(id, name), this.#outputs[0]);
      if (recovery !== undefined) {
        output.recover(recovery.unfinished?.stream === name ? recovery.unfinished : undefined);
      }
      this.#outputs.push(output);
    }
  }

  attach(session: Session): void {
    this.#sessions.add(session);
    session.onRoom = () => {
      for (const output of this.#outputs) output.room();
    };
    session.onClosed = () => this.#sessions.delete(session);
    if (this.#keeper !== undefined) this.#connect(session);
  }

  #connect(session: Session): void {
    if (session.options.stdin && this.#input !== undefined) session.connect(this.#input);
    else session.connect({ write: () => true, end: () => {} });
  }

  /** Sends to the process itself, never to another that got its number. */
  signal(signal: number): void {
    // Taken back without its keeper, which is stopped.
    if (this.#pidfd < 0 && this.#keeper === undefined) this.#pidfd = sys("pidfd_open", this.record.pid, 0);
    const gone = (): EngineError => new EngineError("notFound", `process ${this.id} is not running`);
    if (this.#pidfd < 0 || !this.running) throw gone();
    try {
      signalPidfd(this.#pidfd, signal);
    } catch (error) {
      // It has ended, and its keeper's message is under way.
      throw error instanceof SystemError && error.code === "ESRCH" ? gone() : error;
    }
  }

  resize(cols: number, rows: number): void {
    if (this.#master < 0) throw new EngineError("invalid", `process ${this.id} has no terminal`);
    setWindowSize(this.#master, cols, rows);
  }

  /**
   * The keeper is gone. Without an exit record, what it kept must not go on unseen. `recovery`: it was gone before
   * this shim began.
   */
  lose(reason: string, recovery?: Recovery): void {
    if (this.#ending) return;
    if (recovery !== undefined) this.#openOutputs({ stdout: -1, stderr: -1 }, recovery);
    this.#adopted.resolve();
    const kept = readExitRecord(this.#context.records.exit(this.id));
    if (kept !== undefined) {
      if (kept.watches !== 0) this.record.oomKilled = true;
      void this.#finish({ status: kept.status, time: kept.time });
      return;
    }
    this.#ending = true;
    const lost = { status: 137, time: nowNs().toString(), reason };
    this.record.lost = lost;
    this.note();
    void this.#kill().then(() => {
      this.#ending = false;
      return this.#finish({ status: lost.status, time: BigInt(lost.time), reason });
    });
  }

  async #kill(): Promise<void> {
    try {
      if (this.#pidfd >= 0) sys("pidfd_send_signal", this.#pidfd, 9, 0, 0);
      // An exec of a predecessor's: only when its number still belongs to something in the container.
      else if (ownCgroups(this.record.pid, this.record.container).length > 0)
        process.kill(this.record.pid, 9);
      await killCgroups(this.record.cgroups, this.record.container);
    } catch (error) {
      this.#context.warn(`kill what is left of ${this.id}: ${(error as Error).message}`);
    }
  }

  async #finish(how: { status: number; time: bigint; reason?: string }): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    this.#input?.close();
    // A terminal ends when nobody holds its other side any more; the keeper does.
    if (this.#master >= 0) this.#keeper?.end();
    // It is in the pipes already: whoever waits for the end need not wait for the waker to say so.
    this.#context.poller.catchUp();
    await this.#drain();
    this.#context.onExit(this, this.#setExit(how.status, how.time.toString(), how.reason));
    for (const session of this.#sessions) session.finish();
  }

  /**
   * After the end was told. A successor that finds it undone hears of the end from the keeper, as we did, and tells it
   * again; so the keeper ends when it is noted.
   */
  tidy(): void {
    this.#log?.close();
    if (this.#master >= 0) closeFd(this.#master);
    if (this.#pidfd >= 0) closeFd(this.#pidfd);
    this.#master = this.#pidfd = -1;
    this.record.drained = true;
    this.note();
    this.#keeper?.end();
  }

  /** A full tmpfs must not stop what goes on: the record says less than it could. */
  note(): void {
    try {
      this.#context.records.write(this.record);
    } catch (error) {
      this.#context.warn(`record of ${this.id}: ${(error as Error).message}`);
    }
  }

  #setExit(status: number, ended: string, reason: string | undefined): Exit {
    const oomKilled = this.record.oomKilled === true;
    const { startedAt } = this.record;
    // One that was killed where it waited for its start; what ends before it begins is taken for an earlier run's end.
    const time = BigInt(ended) < BigInt(startedAt) ? startedAt : ended;
    this.exit = { id: this.id, status, time, oomKilled, ...(reason === undefined ? {} : { reason }) };
    return this.exit;
  }

  async #drain(): Promise<void> {
    if (this.#outputs.some((output) => output.open)) await this.#ended();
    for (const output of this.#outputs) output.close();
  }

  /** All streams have ended, or are held open by something else and were read for long enough. */
  async #ended(): Promise<void> {
    const all = Promise.all(this.#outputs.map((output) => (output.open ? output.ended : undefined)));
    const start = performance.now();
    let timer: ReturnType<typeof setInterval> | undefined;
    const bound = new Promise<void>((resolve) => {
      timer = setInterval(() => {
        const now = performance.now();
        if (this.#outputs.some((output) => output.open && output.held)) return;
        const quiet = this.#outputs.every((output) => now - Math.max(output.lastRead, start) > QUIET_MS);
        if (quiet || now - start > DRAIN_MS) resolve();
      }, 50);
    });
    await Promise.race([all, bound]);
    clearInterval(timer);
  }

  /** Resolves when its keeper is gone, and with it what the container had mounted. */
  get keeperGone(): Promise<void> {
    return this.#keeper === undefined ? Promise.resolve() : this.#keeperGone.promise;
  }

  /** Leaves the process to its keeper, for a successor. */
  abandon(): void {
    this.#ending = true;
    for (const output of this.#outputs) output.abandon();
    this.#input?.close();
    this.#keeper?.disconnect();
  }

  /** The launch has come to nothing: its clients are the next one's, or nobody's. */
  leaveSessions(): Session[] {
    const sessions = [...this.#sessions];
    this.#sessions.clear();
    this.#log?.close();
    this.#log = undefined;
    return sessions;
  }

  get attached(): number {
    return this.#sessions.size;
  }

  describe(): Supervised {
    const { id, container, pid, startedAt, paused } = this.record;
    return { id, container, pid, startedAt, paused, ...(this.exit === undefined ? {} : { exit: this.exit }) };
  }
}
