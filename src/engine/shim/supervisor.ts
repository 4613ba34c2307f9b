/**
 * All processes of one exec root: launched, taken back from their keepers, signalled, told of, forgotten.
 */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { EngineError } from "../errors.ts";
import { nowNs } from "../log/time.ts";
import { connectKeeper, holdKeeper, type Keeper, launchKeeper } from "../runtime/keeper.ts";
import { SpareStage } from "../runtime/spare-stage.ts";
import type { Spec } from "../runtime/spec.ts";
import type { Stage } from "../runtime/stage.ts";
import { Stopwatch } from "../stopwatch.ts";
import {
  freezeCgroups,
  inhabited,
  killCgroups,
  ownCgroups,
  removeCgroups,
  removeParents,
  signalCgroups,
} from "./cgroup.ts";
import { Clearing } from "./clearing.ts";
import type { Compiled, Compilers } from "./compile.ts";
import { HeldLaunch } from "./held-launch.ts";
import { Journal, type Unfinished } from "./journal.ts";
import { Networks } from "./networks.ts";
import { Orphans } from "./orphans.ts";
import { Poller } from "./poller.ts";
import { type ProcessContext, SupervisedProcess } from "./process.ts";
import type { Attempt, JsonText, ReceivedLaunch } from "./protocol.ts";
import { type LaunchRecord, Records } from "./records.ts";
import type { Session } from "./session.ts";
import { SessionTable } from "./session-table.ts";
import { startError } from "./start-error.ts";
import type { ExecLaunchRequest, Exit, Launched, LaunchRequest, Supervised } from "./types.ts";

export interface SupervisorEvents {
  exit(exit: Exit): void;
  oom(event: { id: string; time: string }): void;
  warning(message: string): void;
}

/** How long a successor waits for one keeper before it serves without it. */
const KEEPER_PATIENCE_MS = 300;
/** And for a stage that was still at work when its predecessor was killed, and may take a while on a busy machine. */
const LAUNCH_PATIENCE_MS = 5000;

export class Supervisor {
  readonly #compilers: Compilers;
  readonly #events: SupervisorEvents;
  readonly #records: Records;
  readonly #poller = new Poller();
  readonly #spare = new SpareStage();
  /** Names and ports of the containers. */
  readonly networks: Networks;
  readonly #journal: Journal;
  readonly #processes = new Map<string, SupervisedProcess>();
  readonly #launching = new Map<string, Promise<Launched>>();
  /** Of the launches that are under way. */
  readonly #stages = new Map<string, Stage>();
  /** Launches that wait for their start. */
  readonly #held = new Map<string, HeldLaunch>();
  /** A predecessor's launches that it did not see to their end. */
  readonly #halfLaunched = new Map<string, Promise<void>>();
  /** Of what has ended, and of launches that were dropped: cgroups that are to be removed, and mounts. */
  readonly #clearing = new Map<string, Clearing>();
  /** Clients that attached before the launch. */
  readonly #pending = new Map<string, Set<Session>>();
  readonly #context: ProcessContext;
  readonly sessions: SessionTable;
  readonly orphans: Orphans;
  /** Folders in which containers' cgroups were made. */
  readonly #parents = new Set<string>();

  constructor(execRoot: string, compilers: Compilers, events: SupervisorEvents) {
    this.#compilers = compilers;
    this.#events = events;
    this.#records = new Records(execRoot);
    this.#journal = new Journal(this.#records.journal());
    this.sessions = new SessionTable(this.#records.sessions());
    this.orphans = new Orphans(this.sessions);
    this.networks = new Networks(execRoot, this.#poller, events.warning);
    this.#context = {
      records: this.#records,
      poller: this.#poller,
      journal: this.#journal,
      warn: events.warning,
      answerNames: (id, sockets) => this.networks.answer(id, sockets),
      onExit: (process, exit) => this.#ended(process, exit),
      onOom: (id, time) => events.oom({ id, time: time.toString() }),
    };
  }

  /** True when there is nothing left that needs a shim. */
  get idle(): boolean {
    if (this.#launching.size + this.#held.size + this.#clearing.size > 0) return false;
    for (const process of this.#processes.values()) {
      if (process.exit === undefined || process.attached > 0) return false;
    }
    return true;
  }

  /** Starts to watch, and takes over what a predecessor left. */
  async start(): Promise<void> {
    await this.#poller.start();
    this.networks.start();
    const records = this.#records.readAll();
    const orphans = this.orphans.restore();
    this.#records.sweep([...records.map((record) => record.id), ...this.orphans.keys]);
    const unfinished = this.#journal.unfinished();
    const mine = (id: string): Unfinished | undefined => (unfinished?.id === id ? unfinished : undefined);
    // The one with the unfinished read comes first: the journal is needed for the others' reads.
    records.sort((a, b) => Number(mine(b.id) !== undefined) - Number(mine(a.id) !== undefined));
    const [first, ...others] = records;
    const take = async (record: LaunchRecord, unread: Unfinished | undefined): Promise<void> => {
      const sessions = orphans.get(record.id) ?? [];
      orphans.delete(record.id);
      await this.#takeBack(record, unread, sessions);
    };
    if (first !== undefined) await take(first, mine(first.id));
    this.#journal.done();
    await Promise.all(others.map((record) => take(record, undefined)));
    // They came before the launch.
    for (const [id, sessions] of orphans) for (const session of sessions) this.attach(id, session);
    this.#spare.makeSoon();
    this.#poller.tidyWhenQuiet();
  }

  async #takeBack(
    record: LaunchRecord,
    unfinished: Unfinished | undefined,
    sessions: readonly Session[],
  ): Promise<void> {
    const process = new SupervisedProcess(record, this.#context);
    for (const session of sessions) process.attach(session);
    for (const folder of record.cgroups) this.#parents.add(dirname(folder));
    if (record.lost !== undefined || record.drained) {
      process.restoreExit(record.lost);
      for (const session of sessions) session.finish();
      this.#processes.set(record.id, process);
      if (record.id === record.container) await this.#removeCgroups(process);
      return;
    }
    this.#processes.set(record.id, process);
    const back = this.#reconnect(process, unfinished);
    const half = record.pid === 0;
    if (half) {
      this.#halfLaunched.set(record.id, back);
      void back.then(() => this.#halfLaunched.delete(record.id));
    }
    // A keeper that is stopped holds up nobody: its process is listed as it was, and comes when it comes.
    await Promise.race([back, Bun.sleep(half ? LAUNCH_PATIENCE_MS : KEEPER_PATIENCE_MS)]);
  }

  async #reconnect(process: SupervisedProcess, unfinished: Unfinished | undefined): Promise<void> {
    const { record } = process;
    for (;;) {
      let keeper: Keeper;
      try {
        keeper = await connectKeeper(this.#records.socket(record.id), process.events);
      } catch (error) {
        // EAGAIN: others wait to be accepted already, which a stopped keeper does not do.
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") {
          await Bun.sleep(KEEPER_PATIENCE_MS);
          continue;
        }
        // A launch that was not finished: whoever asked for it was told so by the broken connection.
        if (record.pid === 0) await this.#undoHalfLaunch(process);
        else process.lose("its keeper was killed", { unfinished });
        return;
      }
      if (record.pid === 0) {
        this.#noteStart(record, keeper);
        this.#records.write(record);
      }
      // A keeper that goes away meanwhile is told of by its connection's end.
      await process.adopt(keeper, { unfinished }).catch((error) => this.#events.warning(error.message));
      return;
    }
  }

  /** It will be asked for again, and its clients wait for that. */
  async #undoHalfLaunch(process: SupervisedProcess): Promise<void> {
    await this.#undoLaunch(process.record);
    for (const session of process.leaveSessions()) this.attach(process.id, session);
  }

  launch(request: ReceivedLaunch): Promise<Launched> {
    return this.#start(request, this.#containerStart(request, false));
  }

  #containerStart(request: ReceivedLaunch, held: boolean): Start {
    const { id, io, log, spec } = request;
    const options = { pidfdOf: (pid: number) => this.#pidfdOf(pid), held };
    return {
      id,
      container: id,
      io,
      log,
      spec,
      compile: (paths) => this.#compilers.container(request, paths, options),
    };
  }

  /** Nothing, where something of that id is there already: what it stands for must not be forgotten. */
  prepare(request: ReceivedLaunch): void {
    const { id, attempt = "" } = request;
    const taken = [this.#processes, this.#launching, this.#held, this.#halfLaunched, this.#clearing];
    if (taken.some((known) => known.has(id))) return;
    const held = new HeldLaunch(attempt);
    this.#held.set(id, held);
    held.launched = this.#launch(this.#containerStart(request, true), attempt, held);
    const over = (): void => {
      if (this.#held.get(id) === held) this.#held.delete(id);
    };
    // Why it came to nothing, the start that is then made from its beginning will say.
    held.launched.then(over, over);
  }

  launchPrepared(prepared: { id: string; attempt: string }): Promise<Launched> {
    const { id, attempt } = prepared;
    const known = this.#processes.get(id);
    if (known !== undefined && isOf(known, prepared)) return Promise.resolve(launched(known.record));
    const launching = this.#launching.get(id);
    if (launching !== undefined) return launching;
    const half = this.#halfLaunched.get(id);
    if (half !== undefined) return half.then(() => this.launchPrepared(prepared));
    const held = this.#held.get(id);
    if (held?.attempt !== attempt || held.launched === undefined || !held.release()) {
      throw new EngineError("notFound", `nothing is prepared of ${id}`);
    }
    this.#held.delete(id);
    return this.#underWay(id, held.launched);
  }

  /** Resolves when nothing of it is left. */
  async drop(id: string): Promise<void> {
    const held = this.#held.get(id);
    if (held?.launched !== undefined) {
      this.#held.delete(id);
      held.drop();
      const { launched } = held;
      const forget = (): void => void this.#clearing.delete(id);
      this.#clearing.set(id, new Clearing(() => launched.then(forget, forget)));
    }
    await this.#clearing.get(id)?.now();
  }

  async dropAll(): Promise<void> {
    await Promise.all([...this.#held.keys()].map((id) => this.drop(id)));
  }

  exec(request: ExecLaunchRequest & Attempt): Promise<Launched> {
    const known = this.#processes.get(request.id);
    if (known !== undefined && isOf(known, request)) return Promise.resolve(launched(known.record));
    const container = this.#processes.get(request.container);
    if (container === undefined || !container.running) {
      throw new EngineError("conflict", `container ${request.container} is not running`);
    }
    return this.#start(request, {
      id: request.id,
      container: request.container,
      io: request.io,
      log: { driver: "none" },
      compile: (paths) =>
        this.#compilers.exec(
          request,
          {
            record: container.record,
            pidfd: container.pidfd,
            spec: () => this.#records.readSpec(container.id),
          },
          paths,
        ),
    });
  }

  #start(request: { id: string } & Attempt, what: Start): Promise<Launched> {
    const known = this.#processes.get(request.id);
    if (known !== undefined && isOf(known, request)) return Promise.resolve(launched(known.record));
    const half = this.#halfLaunched.get(request.id);
    // The predecessor's launch may succeed yet, and two would be in each other's way.
    const dropped = this.#held.has(request.id)
      ? this.drop(request.id)
      : this.#clearing.get(request.id)?.now();
    const before = half ?? dropped;
    if (before !== undefined) return before.then(() => this.#start(request, what));
    const launching = this.#launching.get(request.id) ?? this.#launch(what, request.attempt);
    return this.#underWay(request.id, launching);
  }

  #underWay(id: string, launching: Promise<Launched>): Promise<Launched> {
    this.#launching.set(id, launching);
    const forget = () => this.#launching.delete(id);
    launching.then(forget, forget);
    return launching;
  }

  /** `held`: is to wait for its start. */
  async #launch(what: Start, attempt: string | undefined, held?: HeldLaunch): Promise<Launched> {
    const { id, container, io, log } = what;
    // A container that is started again: what is known of its last run is not needed any more.
    this.#forget(id);
    const record: LaunchRecord = {
      id,
      container,
      io,
      log,
      ...(attempt === undefined ? {} : { attempt }),
      cgroups: [],
      pid: 0,
      // Before the process can end: its end is later in any case.
      startedAt: nowNs().toString(),
      paused: false,
    };
    const watch = new Stopwatch();
    let compiled: Compiled | undefined;
    let process: SupervisedProcess | undefined;
    try {
      compiled = what.compile({ socket: this.#records.socket(id), exitRecord: this.#records.exit(id) });
      record.cgroups = compiled.cgroups;
      if (compiled.ownPids) record.ownPids = true;
      watch.step("plan");
      for (const folder of record.cgroups) this.#parents.add(dirname(folder));
      this.#records.write(record);
      const starting = new SupervisedProcess(record, this.#context);
      process = starting;
      watch.step("records");
      const { plan } = compiled;
      const options = {
        ...compiled.options,
        spare: this.#spare,
        onStage: (stage: Stage) => this.#stages.set(id, stage),
      };
      const launching =
        held?.hold(holdKeeper(plan, process.events, options)) ??
        launchKeeper(plan, process.events, { ...options, takeEarly: true });
      launching.catch(() => {});
      if (!held) starting.openLog();
      else
        held.onRelease = () => {
          // For a successor, too: an end before it is an earlier run's.
          record.startedAt = held.releasedAt;
          starting.note();
          starting.openLog();
        };
      // While the stage is at work: only an exec needs it, which comes when all of this is done.
      if (what.spec !== undefined) this.#keepSpec(id, what.spec);
      const keeper = await launching;
      watch.step("stage");
      this.#noteStart(record, keeper);
      this.#processes.set(id, starting);
      for (const session of this.#pending.get(id) ?? []) starting.attach(session);
      this.#pending.delete(id);
      await starting.adopt(keeper);
      watch.step("streams");
      this.#writeNext(starting);
      return { ...launched(record), took: watch.took };
    } catch (error) {
      if (held) held.failed = true;
      await this.#undoLaunch(record);
      // Whoever attached waits for the start.
      if (held && !held.released) throw error;
      const waiting = [...(this.#pending.get(id) ?? []), ...(process?.leaveSessions() ?? [])];
      for (const session of waiting) session.finish();
      throw startError(error);
    } finally {
      this.#stages.delete(id);
      this.#poller.tidyWhenQuiet();
      compiled?.dispose?.();
    }
  }

  #keepSpec(id: string, spec: JsonText<Spec>): void {
    try {
      this.#records.writeSpec(id, spec.value);
    } catch (error) {
      this.#events.warning(`no exec will find the specification of ${id}: ${(error as Error).message}`);
    }
  }

  #noteStart(record: LaunchRecord, keeper: Keeper): void {
    record.pid = keeper.pid;
    if (record.id === record.container && record.cgroups.length === 0) {
      try {
        record.cgroups = ownCgroups(keeper.pid, record.container);
      } catch {
        // It has ended already: its exit is on its way.
      }
    }
  }

  /** When the start has been answered. A successor that finds it unwritten asks the keeper. */
  #writeNext(process: SupervisedProcess): void {
    setImmediate(() => {
      // What has ended is written down with its end.
      if (process.running && this.#processes.get(process.id) === process) process.note();
    });
  }

  async #undoLaunch(record: LaunchRecord): Promise<void> {
    this.#processes.delete(record.id);
    if (record.id === record.container) {
      await removeCgroups(record.cgroups, record.container).catch((error) =>
        this.#events.warning((error as Error).message),
      );
    }
    this.#records.remove(record.id);
  }

  #pidfdOf(pid: number): number {
    for (const process of this.#processes.values()) {
      if (process.record.pid === pid && process.id === process.record.container && process.running)
        return process.pidfd;
    }
    return -1;
  }

  attach(id: string, session: Session): void {
    const process = this.#processes.get(id);
    if (process !== undefined && process.exit === undefined) {
      process.attach(session);
      return;
    }
    const pending = this.#pending.get(id) ?? new Set();
    this.#pending.set(id, pending.add(session));
    session.onClosed = () => {
      pending.delete(session);
      if (pending.size === 0 && this.#pending.get(id) === pending) this.#pending.delete(id);
    };
  }

  async signal(id: string, signal: number, all: boolean): Promise<void> {
    if (signal === 9 && this.#abort(id)) return;
    const process = this.#running(id);
    if (!all) process.signal(signal);
    else if (signal === 9) await killCgroups(process.record.cgroups, process.record.container);
    else signalCgroups(process.record.cgroups, signal);
  }

  /** A launch fails when its stage is killed, whatever holds it up. What the stage has made goes then. False: it is none. */
  #abort(id: string): boolean {
    const stage = this.#stages.get(id);
    if (stage === undefined) return false;
    // It may be in no cgroup of the container's yet. While its parent lives its number is its own.
    signalChildren(stage.pid, 9);
    stage.kill(9);
    return true;
  }

  resize(id: string, cols: number, rows: number): void {
    this.#running(id).resize(cols, rows);
  }

  async freeze(id: string, paused: boolean): Promise<void> {
    const { record } = this.#running(id);
    await freezeCgroups(record.cgroups, paused);
    record.paused = paused;
    this.#records.write(record);
  }

  /** What a daemon that died had asked for may still be on its way: its successor must not take it for lost. */
  async list(): Promise<Supervised[]> {
    await Promise.allSettled(this.#launching.values());
    return [...this.#processes.values()].filter(({ record }) => record.pid > 0).map((p) => p.describe());
  }

  /** The exit is stored by who asked for it. Also right for an id that nobody knows (any more). */
  async release(id: string): Promise<void> {
    // Until its cgroups are gone a successor has to know of it; and what it had mounted is not mounted or removed before.
    await this.#clearing.get(id)?.now();
    this.#forget(id);
  }

  #forget(id: string): void {
    const process = this.#processes.get(id);
    if (process === undefined) return;
    if (process.running) throw new EngineError("conflict", `process ${id} is running`);
    this.#processes.delete(id);
    this.#records.remove(id);
  }

  /** Resolves when no launch is under way any more, nor prepared, and no clearing. */
  async settle(): Promise<void> {
    await this.dropAll();
    const clearing = [...this.#clearing.values()].map((each) => each.now());
    await Promise.allSettled([...this.#launching.values(), ...clearing]);
  }

  /** Leaves every process to its keeper, and its ports to who forwards them. */
  abandon(): void {
    if (this.idle) removeParents(this.#parents);
    this.networks.abandon();
    for (const process of this.#processes.values()) process.abandon();
    this.#spare.close();
    this.#poller.close();
  }

  #running(id: string): SupervisedProcess {
    const process = this.#processes.get(id);
    if (process === undefined || !process.running) {
      throw new EngineError("notFound", `process ${id} is not running`);
    }
    return process;
  }

  #ended(process: SupervisedProcess, exit: Exit): void {
    const { id } = process;
    const isContainer = id === process.record.container;
    if (isContainer) this.networks.silence(id);
    const clearing = new Clearing(async () => {
      process.tidy();
      if (isContainer) {
        await this.#removeCgroups(process);
        await process.keeperGone;
      }
      this.#clearing.delete(id);
      this.#poller.tidyWhenQuiet();
    });
    this.#clearing.set(id, clearing);
    // Whoever waits for the end need not wait for the kernel's tidying as well; what follows the end does.
    const { ownPids, cgroups } = process.record;
    const alone = !isContainer || ownPids === true || !inhabited(cgroups);
    if (alone) this.#events.exit(exit);
    else void clearing.now().then(() => this.#events.exit(exit));
  }

  async #removeCgroups(process: SupervisedProcess): Promise<void> {
    try {
      await removeCgroups(process.record.cgroups, process.record.container);
    } catch (error) {
      this.#events.warning(`cgroups of ${process.id}: ${(error as Error).message}`);
    }
  }
}

function signalChildren(pid: number, signal: number): void {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
    for (const child of children.split(" ").filter(Boolean)) process.kill(Number(child), signal);
  } catch {
    // They have ended, or the kernel does not tell of them.
  }
}

interface Start {
  id: string;
  container: string;
  io: LaunchRequest["io"];
  log: LaunchRequest["log"];
  /** Kept for later execs. */
  spec?: JsonText<Spec>;
  compile(paths: { socket: string; exitRecord: string }): Compiled;
}

/** It runs, or is what this very request was answered with, had the answer come through. */
const isOf = (process: SupervisedProcess, { attempt }: Attempt): boolean =>
  process.running || (process.record.pid > 0 && attempt !== undefined && process.record.attempt === attempt);

const launched = ({ pid, startedAt }: LaunchRecord): Launched => ({ pid, startedAt });
