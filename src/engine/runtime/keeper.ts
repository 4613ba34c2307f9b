/**
 * The TypeScript side of a keeper: the stage in its KEEP step (design.md, section 5). One client at a time; a new
 * one displaces the old. Event-driven: nothing here waits for a keeper that is stopped.
 */
import type { Socket, SocketHandler, UnixSocketOptions } from "bun";
import { closeFd, SystemError, sys } from "../../ffi/libc.ts";
import { connectUnix, receiveFds, sendFds, socketPair } from "../../ffi/socket.ts";
import { SOCK } from "../../ffi/socket-flags.ts";
import { decodeFrame, encodeFrame, FRAME, FRAME_SIZE, type Frame, type FrameType } from "./frame.ts";
import { SYNC } from "./keeper-steps.ts";
import type { Plan } from "./plan.ts";
import { type EncodedPlan, type Stage, type StageOptions, startStage } from "./stage.ts";
import { HELD, type HeldName, MAX_HELD } from "./steps.ts";

/** What a keeper tells. Times are nanoseconds since the epoch. */
export interface KeeperEvents {
  /** SYNC of a step before KEEP; answer with `answer(value)`. */
  sync?(tag: number, value: number, answer: (value?: number) => void): void;
  /** The kept process ended: 0–255, or 128+n. Told to every client, also to one that came later. */
  exit(status: number, time: bigint): void;
  /** A watch fired (its index in the KEEP step), `count` times in all; told again to every new client. */
  watch(index: number, count: number): void;
  /** The connection ended: another client took over (`displaced`), or the keeper is gone. Not after `disconnect()`. */
  close(reason: "displaced" | "gone"): void;
}

export interface Keeper {
  /** The kept process, in the host's pid namespace. */
  readonly pid: number;
  readonly version: number;
  readonly capabilities: number;
  readonly generation: number;
  /** The keeper's fds, duplicated for us, close-on-exec; the caller owns them. Rejects when the keeper goes. */
  take(): Promise<Partial<Record<HeldName, number>>>;
  /** The keeper closes its write end of the container's stdin. */
  closeStdin(): void;
  /** The keeper ends; before its child's exit it refuses, and `ended` stays open. */
  end(): void;
  /** Leaves; the keeper goes on. */
  disconnect(): void;
}

export interface HoldOptions extends StageOptions {
  /** Has the stage, which may be killed as long as it is none of the container's. */
  onStage?(stage: Stage): void;
}

export interface LaunchOptions extends HoldOptions {
  /**
   * Ask for the fds before the keeper is one, so that they come with its greeting; for the first `take`. Not for a plan
   * with AWAIT, which would read that.
   */
  takeEarly?: boolean;
}

/**
 * Starts a plan that ends in KEEP; resolves when it got there, rejects with `StepFailure` when a step failed.
 * `plan` makes its own listening socket; the first client is the control socket.
 */
export async function launchKeeper(
  plan: Plan | EncodedPlan,
  events: KeeperEvents,
  { takeEarly = false, onStage, ...options }: LaunchOptions = {},
): Promise<Keeper> {
  const stage = startStage(plan, { name: "ts-keeper", ...options, control: true });
  onStage?.(stage);
  const client = new KeeperClient(stage.control, events);
  if (takeEarly) client.takeEarly();
  return await greeting(stage, client);
}

/** A stage that waits for its start (SYNC.start), or is on its way there. */
export interface HeldKeeper {
  /** Resolves as `launchKeeper`, after the release; rejects when stage or process ended, whenever and by whose hand. */
  readonly keeper: Promise<Keeper>;
  /** Lets it execute the command. False: it has ended, and nothing will be executed. */
  release(): boolean;
  /** Ends it before that. */
  drop(): void;
}

/** For a stage that does not end when it is asked to: it is stopped, say, or the process that waits. */
const DROP_PATIENCE_MS = 100;

/** As `launchKeeper`, of a plan that waits for its start. */
export function holdKeeper(
  plan: Plan | EncodedPlan,
  events: KeeperEvents,
  { onStage, ...options }: HoldOptions = {},
): HeldKeeper {
  const stage = startStage(plan, { name: "ts-keeper", ...options, control: true });
  onStage?.(stage);
  const client = new KeeperClient(stage.control, events);
  let released = false;
  let over = false;
  const keeper = greeting(stage, client).then(async (kept) => {
    if (released) return kept;
    // A keeper all the same: of one that was killed where it waited. What it holds is gone when it is.
    over = true;
    stage.kill(9);
    await stage.done.catch(() => {});
    throw new SystemError("the process that waited for its start ended", 104);
  });
  return {
    keeper,
    release: () => {
      if (over || stage.ended()) return false;
      released = true;
      client.answer(SYNC.start);
      client.takeEarly();
      return true;
    },
    drop: () => {
      // What it waits for cannot come any more: it fails, and ends with all that it has made.
      client.hangUp();
      const timer = setTimeout(() => stage.kill(9), DROP_PATIENCE_MS);
      const over = (): void => clearTimeout(timer);
      stage.done.then(over, over);
    },
  };
}

/** On its own: functions in here live as long as the keeper, with all that is in their scope, and plans are large. */
async function greeting(stage: Stage, client: KeeperClient): Promise<Keeper> {
  // A stage that ends before it says hello has failed; `done` knows why
  const failed = stage.done.then((status) => {
    throw new SystemError(`the stage ended with ${status} before it kept anything`, 104);
  });
  failed.catch(() => {});
  // The hang-up comes before the stage's status, and says less
  const keeper = await Promise.race([client.hello.catch(() => failed), failed]);
  stage.release();
  return keeper;
}

/** Connects to a keeper's socket. Rejects with a `SystemError` (ECONNREFUSED, ENOENT, EAGAIN) when there is none. */
export async function connectKeeper(path: string, events: KeeperEvents): Promise<Keeper> {
  const client = new KeeperClient(connectUnix(path), events);
  return await client.hello;
}

interface Taking {
  socket: number;
  resolve(fds: Partial<Record<HeldName, number>>): void;
  reject(error: Error): void;
}

class KeeperClient implements Keeper {
  pid = 0;
  version = 0;
  capabilities = 0;
  generation = 0;
  readonly hello: Promise<Keeper>;
  readonly #fd: number;
  readonly #events: KeeperEvents;
  readonly #greeted = Promise.withResolvers<Keeper>();
  readonly #taking: Taking[] = [];
  #early: ReturnType<Keeper["take"]> | undefined;
  #socket: Socket | undefined;
  #partial = new Uint8Array(0);
  #displaced = false;
  #closed = false;

  constructor(fd: number, events: KeeperEvents) {
    this.#fd = fd;
    this.#events = events;
    this.hello = this.#greeted.promise;
    this.hello.catch(() => {});
    const handler: SocketHandler<undefined> = {
      open: (socket) => {
        this.#socket = socket;
      },
      data: (_, bytes) => this.#read(bytes),
      close: () => this.#gone(),
      error: () => this.#gone(),
    };
    // Bun's types do not know `fd` here
    const adopted = Bun.connect({ fd, socket: handler } as unknown as UnixSocketOptions<undefined>);
    adopted.then(
      (socket) => {
        this.#socket = socket;
        if (this.#closed) socket.end();
      },
      () => this.#gone(),
    );
  }

  /** The keeper counts its clients from 1, and reads what waits for it when it has greeted the first. */
  takeEarly(): void {
    this.#early = this.#take(1);
    this.#early.catch(() => {});
  }

  take(): Promise<Partial<Record<HeldName, number>>> {
    const early = this.#early;
    this.#early = undefined;
    return early ?? this.#take(this.generation);
  }

  #take(generation: number): Promise<Partial<Record<HeldName, number>>> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new SystemError("take a keeper's fds", 104);
      const [ours, theirs] = socketPair(SOCK.SOCK_SEQPACKET);
      try {
        sendFds(this.#fd, encodeFrame({ type: FRAME.TAKE, a: 0, generation, value: 0n }), [theirs]);
        this.#taking.push({ socket: ours, resolve, reject });
      } catch (error) {
        closeFd(ours);
        throw error;
      } finally {
        closeFd(theirs);
      }
    });
  }

  /** To an AWAIT of the plan. */
  answer(tag: number): void {
    this.#send(FRAME.ANSWER, tag);
  }

  closeStdin(): void {
    this.#send(FRAME.CLOSE_STDIN);
  }

  end(): void {
    this.#send(FRAME.END);
  }

  /** Says no more, and hears on. */
  hangUp(): void {
    if (!this.#closed) sys("shutdown", this.#fd, SOCK.SHUT_WR);
  }

  disconnect(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#dropEarly();
    this.#rejectAll();
    this.#socket?.end();
  }

  #send(type: FrameType, a = 0, value = 0n): void {
    if (this.#closed) return;
    const bytes = encodeFrame({ type, a, generation: this.generation, value });
    // Sixteen bytes always find room: the keeper reads each frame at once, or is stopped or gone, which `close` tells
    sys("sendto", this.#fd, bytes, bytes.length, SOCK.MSG_DONTWAIT | SOCK.MSG_NOSIGNAL, 0, 0);
  }

  #read(bytes: Uint8Array): void {
    let rest = bytes;
    if (this.#partial.length > 0) {
      rest = new Uint8Array(this.#partial.length + bytes.length);
      rest.set(this.#partial);
      rest.set(bytes, this.#partial.length);
    }
    for (; rest.length >= FRAME_SIZE && !this.#closed; rest = rest.subarray(FRAME_SIZE))
      this.#hear(decodeFrame(rest));
    this.#partial = rest.slice();
  }

  #hear(frame: Frame): void {
    switch (frame.type) {
      case FRAME.SYNC: {
        const tag = frame.a;
        this.#events.sync?.(tag, Number(frame.value), (value = 0) =>
          this.#send(FRAME.ANSWER, tag, BigInt(value)),
        );
        break;
      }
      case FRAME.HELLO:
        this.version = frame.a;
        this.generation = frame.generation;
        this.pid = Number(frame.value & 0xffff_ffffn);
        this.capabilities = Number((frame.value >> 32n) & 0xffff_ffffn);
        this.#greeted.resolve(this);
        break;
      case FRAME.EXIT:
        // `setImmediate`: whoever waits for the greeting has the keeper in hand before its events
        setImmediate(() => this.#events.exit(frame.a, frame.value));
        break;
      case FRAME.WATCH:
        setImmediate(() => this.#events.watch(frame.a, Number(frame.value)));
        break;
      case FRAME.TAKEN:
        this.#taken();
        break;
      case FRAME.REFUSED:
        if (frame.a === FRAME.TAKE) this.#refused(Number(-frame.value));
        break;
      case FRAME.DISPLACED:
        this.#displaced = true;
        break;
    }
  }

  /** The fds lie in the socket already when the keeper says so. */
  #taken(): void {
    const taking = this.#taking.shift();
    if (taking === undefined) return;
    try {
      const received = receiveFds(taking.socket, MAX_HELD * 4, MAX_HELD);
      if (received === undefined) throw new SystemError("take a keeper's fds", 11);
      taking.resolve(nameFds(received.payload, received.fds));
    } catch (error) {
      taking.reject(error as Error);
    } finally {
      closeFd(taking.socket);
    }
  }

  #refused(errno: number): void {
    const taking = this.#taking.shift();
    if (taking === undefined) return;
    closeFd(taking.socket);
    taking.reject(new SystemError("take a keeper's fds", errno));
  }

  /** Nobody has taken what was asked for early. */
  #dropEarly(): void {
    this.#early?.then(
      (fds) => Object.values(fds).forEach(closeFd),
      () => {},
    );
    this.#early = undefined;
  }

  #rejectAll(): void {
    const error = new SystemError("keeper", 104);
    for (const { socket, reject } of this.#taking.splice(0)) {
      closeFd(socket);
      reject(error);
    }
    this.#greeted.reject(error);
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#dropEarly();
    this.#rejectAll();
    setImmediate(() => this.#events.close(this.#displaced ? "displaced" : "gone"));
  }
}

const NAMES: readonly HeldName[] = Object.keys(HELD) as HeldName[];

/** Names that a newer keeper may know are closed. */
function nameFds(payload: Uint8Array, fds: readonly number[]): Partial<Record<HeldName, number>> {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const named: Partial<Record<HeldName, number>> = {};
  for (const [n, fd] of fds.entries()) {
    const name = NAMES[view.getUint32(n * 4, true)];
    if (name === undefined || named[name] !== undefined) closeFd(fd);
    else named[name] = fd;
  }
  return named;
}
