/**
 * The shim's socket: control connections and attach connections (protocol.ts).
 */
import type { Socket } from "bun";
import { EngineError } from "../errors.ts";
import type { Networks } from "./networks.ts";
import {
  type AttachAnswer,
  type AttachHello,
  type Hello,
  LineReader,
  type Method,
  type Methods,
  type Notice,
  PROTOCOL_VERSION,
  type Received,
  readRequest,
  type WireError,
} from "./protocol.ts";
import { Session } from "./session.ts";
import type { Supervisor } from "./supervisor.ts";

export interface ServerOptions {
  path: string;
  build: string;
  /** A service manager starts another when this one ends. */
  stays: boolean;
  /** Asked by a client of another build: ends the process, once the answer is sent. */
  onHandOver(): Promise<void>;
}

type Handlers = { [M in Method]: (params: Received<M>) => Methods[M][1] | Promise<Methods[M][1]> };

/** In how much time all connections of a process that ends are seen to break. */
const DAEMON_DIES_MS = 10;

/** A connection, until and after its first line has said what it is. */
interface Connection {
  reader: LineReader;
  kind: "new" | "control" | "attach";
  session?: Session;
  /** Control lines that the client has not taken yet. */
  unsent: Buffer[];
}

export class ShimServer {
  readonly #options: ServerOptions;
  readonly #handlers: Handlers;
  readonly #controls = new Set<Socket<Connection>>();
  readonly #supervisor: Supervisor;
  #listener: { stop(force?: boolean): void } | undefined;
  /** Sessions are left to a successor. */
  #leaving = false;

  constructor(supervisor: Supervisor, networks: Networks, options: ServerOptions) {
    this.#supervisor = supervisor;
    this.#options = options;
    this.#handlers = {
      launch: (request) => supervisor.launch(request),
      prepare: (request) => done(supervisor.prepare(request)),
      launchPrepared: (prepared) => supervisor.launchPrepared(prepared),
      drop: ({ id }) => done(supervisor.drop(id)),
      exec: (request) => supervisor.exec(request),
      signal: ({ id, signal, all }) => done(supervisor.signal(id, signal, all)),
      resize: ({ id, cols, rows }) => done(supervisor.resize(id, cols, rows)),
      pause: ({ id }) => done(supervisor.freeze(id, true)),
      unpause: ({ id }) => done(supervisor.freeze(id, false)),
      list: () => supervisor.list(),
      release: ({ id }) => done(supervisor.release(id)),
      putNames: (changes) => done(networks.putNames(changes)),
      removeNames: (gone) => done(networks.removeNames(gone)),
      syncNames: (all) => done(networks.syncNames(all)),
      holdPorts: ({ endpoint, ports }) => done(networks.holdPorts(endpoint, ports)),
      heldPorts: () => networks.heldPorts(),
      handOver: () => {
        // The answer first.
        setTimeout(() => void options.onHandOver(), 1);
        return null;
      },
    };
  }

  get clients(): number {
    return this.#controls.size;
  }

  listen(): void {
    this.#listener = Bun.listen<Connection>({
      unix: this.#options.path,
      allowHalfOpen: true,
      socket: {
        open: (socket) => {
          socket.data = { reader: new LineReader(), kind: "new", unsent: [] };
        },
        data: (socket, bytes) => this.#receive(socket, bytes),
        drain: (socket) => {
          socket.data.session?.drain();
          this.#flush(socket);
        },
        end: (socket) => {
          if (socket.data.session === undefined) socket.end();
          else this.#endInput(socket.data.session);
        },
        close: (socket) => this.#gone(socket),
        error: (socket) => this.#gone(socket),
      },
    });
  }

  close(): void {
    this.#leaving = true;
    this.#listener?.stop(true);
  }

  tell(notice: Notice): void {
    for (const socket of this.#controls) this.#send(socket, notice);
  }

  #gone(socket: Socket<Connection>): void {
    if (this.#controls.delete(socket) && this.#controls.size === 0) void this.#supervisor.dropAll();
    const { session } = socket.data;
    if (session === undefined || this.#leaving) return;
    session.gone();
    this.#endInput(session);
  }

  /**
   * A client that ends its input, or goes, ends the process's. A daemon that is killed does not: half of the input
   * would look like all of it. Its connections break together, so a moment later it is known which of these it was.
   */
  #endInput(session: Session): void {
    if (!session.options.stdin) session.endInput();
    else setTimeout(() => this.#controls.size > 0 && session.endInput(), DAEMON_DIES_MS);
  }

  #receive(socket: Socket<Connection>, bytes: Buffer): void {
    const connection = socket.data;
    if (connection.kind === "attach") {
      connection.session?.receive(bytes);
      return;
    }
    let rest = bytes;
    if (connection.kind === "new") {
      const first = connection.reader.first(bytes);
      if (first === undefined) return;
      rest = first.rest;
      connection.reader = new LineReader();
      this.#greet(socket, first.line);
      if ((connection.kind as string) === "attach") {
        if (rest.length > 0) connection.session?.receive(rest);
        return;
      }
    }
    for (const line of connection.reader.push(rest)) void this.#answer(socket, line);
  }

  #greet(socket: Socket<Connection>, line: string): void {
    let hello: Partial<AttachHello & Hello>;
    try {
      hello = JSON.parse(line);
    } catch {
      socket.terminate();
      return;
    }
    if (hello.attach === undefined) {
      socket.data.kind = "control";
      this.#controls.add(socket);
      this.#supervisor.orphans.forget(hello.hello?.streams);
      const { build, stays } = this.#options;
      this.#send(socket, { hello: { protocol: PROTOCOL_VERSION, build, pid: process.pid, stays } });
      return;
    }
    socket.data.kind = "attach";
    if (hello.attach.received === undefined) this.#attach(socket, hello.attach);
    else this.#rejoin(socket, hello.attach);
  }

  #attach(socket: Socket<Connection>, { id, options, key }: AttachHello["attach"]): void {
    const slot = key === undefined ? undefined : this.#supervisor.sessions.take(id, key, options);
    const session = new Session(socket, options, slot);
    this.#adopt(socket, session);
    sendLine(socket, slot === undefined ? { ok: true } : { ok: true, rejoins: true });
    this.#supervisor.attach(id, session);
  }

  #rejoin(socket: Socket<Connection>, { key, received }: AttachHello["attach"]): void {
    const session = this.#supervisor.orphans.take(key ?? "");
    const input = session?.join(socket, received!);
    if (session === undefined || input === undefined) {
      session?.gone();
      sendLine(socket, { error: "what it has not received is not there any more" });
      socket.end();
      return;
    }
    this.#adopt(socket, session);
    sendLine(socket, { ok: true, rejoins: true, input });
    session.resumed();
  }

  #adopt(socket: Socket<Connection>, session: Session): void {
    socket.data.session = session;
    const { key } = session;
    if (key === undefined) return;
    session.onEnd = () => {
      this.tell({ event: "finished", key });
      // Before the end itself, which is looked at for nothing otherwise.
      for (const control of this.#controls) this.#flush(control);
    };
  }

  async #answer(socket: Socket<Connection>, line: string): Promise<void> {
    let id = 0;
    try {
      const { method, params, ...request } = readRequest(line);
      id = request.id;
      const handler = this.#handlers[method] as ((params: unknown) => unknown) | undefined;
      if (handler === undefined) throw new EngineError("notImplemented", `this shim has no ${method}`);
      this.#send(socket, { id, result: await handler(params) });
    } catch (error) {
      this.#send(socket, { id, error: wireError(error) });
    }
  }

  /** What is said in one go is sent in one. */
  #send(socket: Socket<Connection>, message: unknown): void {
    const { unsent } = socket.data;
    unsent.push(Buffer.from(`${JSON.stringify(message)}\n`));
    if (unsent.length === 1) queueMicrotask(() => this.#flush(socket));
  }

  #flush(socket: Socket<Connection>): void {
    const { unsent } = socket.data;
    if (unsent.length === 0) return;
    const bytes = unsent.length === 1 ? unsent[0]! : Buffer.concat(unsent);
    const sent = Math.max(socket.write(bytes), 0);
    unsent.length = 0;
    if (sent < bytes.length) unsent.push(bytes.subarray(sent));
  }
}

function sendLine(socket: Socket<Connection>, answer: AttachAnswer): void {
  socket.write(`${JSON.stringify(answer)}\n`);
}

/** For methods that have nothing to say. */
const done = async (work: unknown): Promise<null> => {
  await work;
  return null;
};

function wireError(error: unknown): WireError {
  const { message, code } = error as Error & { code?: number };
  return {
    kind: error instanceof EngineError ? error.kind : "internal",
    message,
    ...(typeof code === "number" ? { code } : {}),
  };
}
