/**
 * The one ts-proxy of an exec root: started when there is a port for it, started again when somebody killed it, and ended
 * when there is none left. Its ports' sockets stay with us too, so that connections wait while it is away.
 */
import { ERRNO } from "../../../ffi/errno.ts";
import { closeFd, SystemError, sys } from "../../../ffi/libc.ts";
import { EPOLL } from "../../../ffi/poll.ts";
import { SIG } from "../../../ffi/process.ts";
import { connectUnix, receiveFds, sendFds } from "../../../ffi/socket.ts";
import { SOCK } from "../../../ffi/socket-flags.ts";
import { startStage } from "../../runtime/stage.ts";
import type { Watcher } from "../resolver/exchange.ts";
import type { HeldPort } from "../types.ts";
import { proxyPlan } from "./plan.ts";
import { decodeTold, encodeTold, OP, TOLD_SIZE } from "./told.ts";

export interface BoundPort {
  port: HeldPort;
  /** Bound, and listening unless it is UDP. Its owner is who told us of it. */
  fd: number;
}

/** Between two tries to connect to one that starts, or to send to one that has not read yet. */
const PAUSE_MS = 2;
const START_PATIENCE_MS = 2000;
/** After a start that failed. */
const AGAIN_MS = 200;
/** For one of a predecessor's that does not answer, and then for its end. */
const ANSWER_PATIENCE_MS = 3000;
/** For its word that ports are free. One that is stopped holds up nobody but who comes for these. */
const RELEASE_PATIENCE_MS = 1000;
/** There is never a port of this index: the answer only says that what was told before is done. */
const NO_INDEX = 0x7fffffff;

interface Unsent {
  bytes: Uint8Array;
  fds: number[];
}

export class PortProxy {
  readonly #path: string;
  readonly #watcher: Watcher;
  readonly #warn: (message: string) => void;
  readonly #ports = new Map<string, BoundPort>();
  readonly #unsent: Unsent[] = [];
  /** Who waits for its answer, in turn. */
  readonly #waiting: (() => void)[] = [];
  /** It was told to give ports back, and nobody has asked since whether it did. */
  #removing = false;
  #fd = -1;
  #starting = false;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(path: string, watcher: Watcher, warn: (message: string) => void) {
    this.#path = path;
    this.#watcher = watcher;
    this.#warn = warn;
  }

  /** Takes over what a predecessor told it. The sockets become the caller's, who keeps them as long as the ports. */
  async known(): Promise<BoundPort[]> {
    let fd: number;
    try {
      fd = connectUnix(this.#path, SOCK.SOCK_SEQPACKET);
    } catch {
      return [];
    }
    const found: BoundPort[] = [];
    if (!(await this.#list(fd, found))) {
      // Stopped, or not what we know: its ports are bound anew.
      for (const bound of found) closeFd(bound.fd);
      await this.#kill(fd);
      return [];
    }
    for (const bound of found) this.#ports.set(keyOf(bound.port), bound);
    this.#connected(fd);
    return found;
  }

  add(bound: BoundPort): void {
    this.#ports.set(keyOf(bound.port), bound);
    if (this.#fd < 0) this.#start();
    else this.#send({ bytes: encodeTold({ op: OP.add, port: bound.port }), fds: [bound.fd] });
  }

  remove(port: HeldPort): void {
    this.#ports.delete(keyOf(port));
    this.#removing = true;
    this.#send({ bytes: encodeTold({ op: OP.remove, port }), fds: [] });
    if (this.#ports.size === 0) this.#send({ bytes: encodeTold({ op: OP.end }), fds: [] });
  }

  /** Resolves when it has closed its sockets of the ports that were removed: until then nobody else can bind them. */
  async released(): Promise<void> {
    if (!this.#removing || this.#fd < 0) return;
    this.#removing = false;
    const answered = Promise.withResolvers<void>();
    this.#waiting.push(answered.resolve);
    this.#send({ bytes: encodeTold({ op: OP.list, value: NO_INDEX }), fds: [] });
    const patience = setTimeout(answered.resolve, RELEASE_PATIENCE_MS);
    await answered.promise;
    clearTimeout(patience);
  }

  /** Leaves it to a successor. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#disconnect();
  }

  /** Asks for one after the other; false when it does not answer. */
  #list(fd: number, found: BoundPort[]): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (answered: boolean): void => {
        clearTimeout(timer);
        this.#watcher.remove(fd);
        resolve(answered);
      };
      const timer = setTimeout(() => finish(false), ANSWER_PATIENCE_MS);
      const ask = (): void => {
        sendFds(fd, encodeTold({ op: OP.list, value: found.length }), []);
      };
      this.#watcher.add(fd, () => {
        try {
          const received = receiveFds(fd, TOLD_SIZE, 1);
          if (received === undefined) return;
          const told = decodeTold(received.payload);
          const [socket] = received.fds;
          if (told?.op === OP.last) finish(true);
          else if (told?.op === OP.known && told.port !== undefined && socket !== undefined) {
            found.push({ port: told.port, fd: socket });
            ask();
          } else finish(false);
        } catch {
          finish(false);
        }
      });
      try {
        ask();
      } catch {
        finish(false);
      }
    });
  }

  /** Ends who has the other side, and waits for that. */
  async #kill(fd: number): Promise<void> {
    const pid = peerOf(fd);
    this.#warn(`ts-proxy ${pid} does not answer: it is killed`);
    const gone = Promise.withResolvers<void>();
    this.#watcher.add(fd, () => gone.resolve(), EPOLL.EPOLLHUP);
    if (pid > 0) sys("kill", pid, SIG.SIGKILL);
    await Promise.race([gone.promise, Bun.sleep(ANSWER_PATIENCE_MS)]);
    this.#watcher.remove(fd);
    closeFd(fd);
  }

  #start(): void {
    if (this.#starting || this.#closed) return;
    this.#starting = true;
    const deadline = performance.now() + START_PATIENCE_MS;
    let failure: string | undefined;
    try {
      const stage = startStage(proxyPlan(this.#path), { name: "ts-proxy" });
      stage.done.then(
        (status) => {
          failure = `it ended with ${status}`;
        },
        (error) => {
          failure = (error as Error).message;
        },
      );
    } catch (error) {
      failure = (error as Error).message;
    }
    const connect = (): void => {
      try {
        this.#connected(connectUnix(this.#path, SOCK.SOCK_SEQPACKET));
        this.#starting = false;
        for (const { port, fd } of this.#ports.values())
          this.#send({ bytes: encodeTold({ op: OP.add, port }), fds: [fd] });
        // All were given back while it started.
        if (this.#ports.size === 0) this.#send({ bytes: encodeTold({ op: OP.end }), fds: [] });
      } catch (error) {
        if (failure === undefined && performance.now() < deadline) {
          this.#timer = setTimeout(connect, PAUSE_MS);
          return;
        }
        this.#starting = false;
        this.#warn(`start ts-proxy: ${failure ?? (error as Error).message}`);
        this.#timer = setTimeout(() => this.#ports.size > 0 && this.#start(), AGAIN_MS);
      }
    };
    connect();
  }

  #connected(fd: number): void {
    if (this.#closed) return void closeFd(fd);
    this.#fd = fd;
    // It says nothing unasked: what there is to read is an answer, or its end.
    this.#watcher.add(fd, () => {
      if (this.#answered()) return;
      this.#disconnect();
      if (this.#ports.size > 0) this.#start();
    });
  }

  #answered(): boolean {
    try {
      const received = receiveFds(this.#fd, TOLD_SIZE, 1);
      if (received === undefined) return true;
      for (const fd of received.fds) closeFd(fd);
      if (decodeTold(received.payload)?.op !== OP.last) return false;
      this.#waiting.shift()?.();
      return true;
    } catch {
      return false;
    }
  }

  #disconnect(): void {
    if (this.#fd < 0) return;
    this.#watcher.remove(this.#fd);
    closeFd(this.#fd);
    this.#fd = -1;
    this.#unsent.length = 0;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #send(message: Unsent): void {
    // Without a connection: all that holds is told when there is one.
    if (this.#fd < 0) return;
    this.#unsent.push(message);
    if (this.#unsent.length === 1) this.#flush();
  }

  #flush(): void {
    while (this.#unsent.length > 0) {
      try {
        sendFds(this.#fd, this.#unsent[0]!.bytes, this.#unsent[0]!.fds);
        this.#unsent.shift();
      } catch (error) {
        const full = error instanceof SystemError && error.errno === ERRNO.EAGAIN;
        if (full) this.#timer = setTimeout(() => this.#flush(), PAUSE_MS);
        // Otherwise it is gone, and its hang-up is about to be seen.
        return;
      }
    }
  }
}

/** Who listens at the socket's other end. */
function peerOf(fd: number): number {
  const credentials = new Int32Array(3);
  sys("getsockopt", fd, SOCK.SOL_SOCKET, SOCK.SO_PEERCRED, credentials, new Int32Array([12]));
  return credentials[0]!;
}

/** Of its socket. */
export const keyOf = ({ protocol, hostIp, hostPort }: HeldPort): string =>
  `${protocol} ${hostIp} ${hostPort}`;
