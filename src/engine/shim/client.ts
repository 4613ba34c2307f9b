/**
 * The daemon's side of the shim: finds it, starts it, replaces one of another build, and starts it again when it died.
 *
 * A request whose answer was lost with the connection is sent again to the successor: all of them may be repeated (a
 * signal may then be sent twice, which is better than not at all).
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { EngineError } from "../errors.ts";
import type { HeldPort, ShimNetworks } from "../network/types.ts";
import { AttachStream, type Rejoined } from "./attach-stream.ts";
import { buildId } from "./build.ts";
import { Connection, ConnectionLost, openSocket } from "./connection.ts";
import type { AttachAnswer, AttachHello, Method, Methods, Notice } from "./protocol.ts";
import { shimExists, startShim } from "./start.ts";
import type {
  AttachOptions,
  ExecLaunchRequest,
  Exit,
  LaunchRequest,
  PrepareRequest,
  ShimClient,
} from "./types.ts";

export interface ConnectOptions {
  execRoot: string;
  onWarn(message: string): void;
  /** The words that start a shim, before `--exec-root`. Default: this very program. */
  program?: readonly string[];
}

/** A shim that starts takes back all containers before it answers. */
const START_TIMEOUT_MS = 20_000;
const RETRY_MS = 10;
/** A shim that dies of one request so often dies of that request. */
const MAX_ATTEMPTS = 5;
/** Nobody listens; or one still did who was being killed, and what waited to be accepted was reset. */
const ABSENT: ReadonlySet<string | undefined> = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"]);
/** How long a service manager has to start the next shim, before the daemon does it. */
const SERVICE_PATIENCE_MS = 700;

export async function connectShim(options: ConnectOptions): Promise<ShimClient> {
  const client = new Client(options);
  await client.connected();
  return client;
}

class Client implements ShimClient {
  readonly #options: ConnectOptions;
  readonly #path: string;
  readonly #build = buildId();
  readonly #onExit: ((exit: Exit) => void)[] = [];
  readonly #onOom: ((event: { id: string; time: string }) => void)[] = [];
  readonly #onConnect: (() => void)[] = [];
  readonly #streams = new Map<string, AttachStream>();
  #connection: Promise<Connection>;
  /** While there is one. */
  #current: Connection | undefined;
  #closed = false;
  /** The shim was a service: its manager starts the next. */
  #service = false;
  /** The build of the shim that was asked to make room. */
  #replaced: string | undefined;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#path = `${options.execRoot}/shim.sock`;
    this.#connection = this.#connect();
    this.#connection.catch(() => {});
  }

  async connected(): Promise<void> {
    await this.#connection;
  }

  launch = (request: LaunchRequest) => this.#request("launch", { ...request, attempt: crypto.randomUUID() });

  /** Sent when this returns, or never: to a successor it may come too late, when nobody drops it. */
  async prepare(request: PrepareRequest): Promise<void> {
    if (this.#current === undefined) throw new ConnectionLost();
    await this.#current.request("prepare", request);
  }

  launchPrepared = (prepared: { id: string; attempt: string }) => this.#request("launchPrepared", prepared);

  async drop(id: string): Promise<void> {
    await this.#request("drop", { id });
  }

  exec = (request: ExecLaunchRequest) => this.#request("exec", { ...request, attempt: crypto.randomUUID() });
  list = () => this.#request("list", {});

  async signal(id: string, signal: number, all = false): Promise<void> {
    await this.#request("signal", { id, signal, all });
  }

  async resize(id: string, cols: number, rows: number): Promise<void> {
    await this.#request("resize", { id, cols, rows });
  }

  async pause(id: string): Promise<void> {
    await this.#request("pause", { id });
  }

  async unpause(id: string): Promise<void> {
    await this.#request("unpause", { id });
  }

  async release(id: string): Promise<void> {
    await this.#request("release", { id });
  }

  putNames: ShimNetworks["putNames"] = async (changes) => void (await this.#request("putNames", changes));
  removeNames: ShimNetworks["removeNames"] = async (gone) => void (await this.#request("removeNames", gone));
  syncNames: ShimNetworks["syncNames"] = async (all) => void (await this.#request("syncNames", all));
  heldPorts = () => this.#request("heldPorts", {});

  async holdPorts(endpoint: string, ports: HeldPort[]): Promise<void> {
    await this.#request("holdPorts", { endpoint, ports });
  }

  async attach(id: string, options: AttachOptions, io: "pipes" | "pty"): Promise<Duplex> {
    const key = randomHex(16);
    const hello = { id, options, io, key };
    const { socket, answer, lost } = await this.#openAttach({ attach: hello });
    const stream = new AttachStream(key, socket, {
      rejoin: (received) =>
        this.#rejoin({ attach: { ...hello, received } }).catch((error) => {
          if (!this.#closed) this.#options.onWarn((error as Error).message);
          return undefined;
        }),
      gone: () => this.#streams.delete(key),
    });
    // Without a place for it in the shim, its end is the end.
    if (answer.rejoins) this.#streams.set(key, stream);
    else stream.finished();
    if (lost) stream.lost();
    return stream;
  }

  async #rejoin(hello: AttachHello): Promise<Rejoined | undefined> {
    if (this.#closed) return undefined;
    const { socket, answer, lost } = await this.#openAttach(hello);
    return { socket, input: answer.input ?? 0, lost };
  }

  /** `lost`: the shim that answered is gone already, which is not told again. */
  async #openAttach(hello: AttachHello): Promise<{ socket: Socket; answer: AttachAnswer; lost: boolean }> {
    let connection: Connection;
    let socket: Socket;
    let answer: AttachAnswer;
    for (let attempt = 1; ; attempt++) {
      connection = await this.#connection;
      try {
        socket = await openSocket(this.#path);
        socket.write(`${JSON.stringify(hello)}\n`);
        answer = JSON.parse(await firstLine(socket));
        break;
      } catch (error) {
        if (this.#closed || attempt === MAX_ATTEMPTS) throw error;
        // It died just now: its successor is on its way.
        await sleep(RETRY_MS);
      }
    }
    if (!answer.ok) {
      socket.destroy();
      throw new EngineError("unavailable", `attach to ${hello.attach.id}: ${answer.error}`);
    }
    return { socket, answer, lost: connection.closed };
  }

  onExit(listener: (exit: Exit) => void): void {
    this.#onExit.push(listener);
  }

  onOom(listener: (event: { id: string; time: string }) => void): void {
    this.#onOom.push(listener);
  }

  onConnect(listener: () => void): void {
    this.#onConnect.push(listener);
  }

  close(): void {
    this.#closed = true;
    this.#connection.then(
      (connection) => connection.close(),
      () => {},
    );
  }

  async #request<M extends Method>(method: M, params: Methods[M][0]): Promise<Methods[M][1]> {
    for (let attempt = 1; ; attempt++) {
      try {
        // After a loss: `close` comes before the rejection is seen here, so there is a new connection to wait for.
        return await (await this.#connection).request(method, params);
      } catch (error) {
        if (!(error instanceof ConnectionLost) || this.#closed || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** To a shim of our build, in the end. */
  async #connect(): Promise<Connection> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    let serviceUntil = this.#service ? performance.now() + SERVICE_PATIENCE_MS : 0;
    let started: { exited(): string | undefined } | undefined;
    let startedAt = 0;
    for (;;) {
      if (this.#closed) throw new ConnectionLost();
      try {
        const connection = await this.#open();
        if (connection !== undefined) return connection;
        started = undefined;
        if (this.#service) serviceUntil = performance.now() + SERVICE_PATIENCE_MS;
      } catch (error) {
        if (!(error instanceof ConnectionLost) && !ABSENT.has((error as NodeJS.ErrnoException).code))
          throw error;
      }
      // One that did not come up is tried again, not too often; why is told once the time is over.
      const waits = performance.now() < serviceUntil || shimExists(this.#options.execRoot);
      if (
        !waits &&
        (started === undefined || (started.exited() !== undefined && performance.now() - startedAt > 200))
      ) {
        if (performance.now() > deadline) break;
        startedAt = performance.now();
        started = startShim(this.#options);
      }
      if (performance.now() > deadline) break;
      await sleep(RETRY_MS);
    }
    throw new EngineError(
      "unavailable",
      `cannot start the shim: ${started?.exited() ?? "it does not answer"}`,
    );
  }

  /** Undefined: there was one of another build, and it is gone now. */
  async #open(): Promise<Connection | undefined> {
    const gone = Promise.withResolvers<void>();
    let ours = false;
    const own = { build: this.#build, streams: () => [...this.#streams.keys()] };
    const connection = await Connection.open(this.#path, own, {
      notice: (notice) => this.#hear(notice),
      close: () => {
        gone.resolve();
        if (ours) this.#lost();
      },
    });
    const peer = await connection.peer;
    this.#service = peer.stays === true;
    // When the same comes back, it is what the service manager has: it serves us as well, the protocol only grows.
    if (peer.build !== this.#build && peer.build !== this.#replaced) {
      this.#replaced = peer.build;
      await connection.request("handOver", {}).catch(() => {});
      await Promise.race([gone.promise, sleep(5000)]);
      connection.close();
      return undefined;
    }
    ours = true;
    this.#current = connection;
    queueMicrotask(() => {
      for (const listener of this.#onConnect) listener();
    });
    return connection;
  }

  #lost(): void {
    this.#current = undefined;
    this.#reconnect();
    for (const stream of [...this.#streams.values()]) stream.lost();
  }

  #reconnect(): void {
    if (this.#closed) return;
    this.#connection = this.#connect();
    this.#connection.catch((error) => {
      this.#options.onWarn((error as Error).message);
      setTimeout(() => this.#reconnect(), 1000);
    });
  }

  #hear(notice: Notice): void {
    if (notice.event === "exit") for (const listener of this.#onExit) listener(notice.exit);
    else if (notice.event === "oom") for (const listener of this.#onOom) listener(notice);
    else if (notice.event === "finished") this.#streams.get(notice.key)?.finished();
    else if (notice.event === "warning") this.#options.onWarn(notice.message);
  }
}

const randomHex = (bytes: number): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");

/** Takes the first line off a socket, and nothing more. Rejects when it ends before, and destroys it. */
function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0);
    const done = () => {
      socket.off("readable", read);
      socket.off("error", fail);
      socket.off("end", close);
      socket.off("close", close);
    };
    const fail = (error: Error) => {
      done();
      socket.destroy();
      reject(error);
    };
    const close = () => fail(new ConnectionLost());
    const read = () => {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
        seen = Buffer.concat([seen, chunk as Buffer]);
        const end = seen.indexOf(10);
        if (end < 0) continue;
        done();
        if (end + 1 < seen.length) socket.unshift(seen.subarray(end + 1));
        resolve(seen.toString("utf8", 0, end));
        return;
      }
    };
    socket.on("readable", read);
    socket.once("error", fail);
    // Half-open as it is, it closes only when this side ends as well.
    socket.once("end", close);
    socket.once("close", close);
  });
}
