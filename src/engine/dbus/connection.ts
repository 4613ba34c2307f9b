/** A connection to the system's bus, or to a service itself: calls, and signals. @source D-Bus specification, "Authentication Protocol" */
import { connect, type Socket } from "node:net";
import { decodeMessage, encodeMessage, type Message, TYPE } from "./message.ts";
import type { Value } from "./values.ts";

const BUS = "org.freedesktop.DBus";
const CALL_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 2_000;

/** An error that the other side answered. */
export class DbusError extends Error {
  override readonly name = "DbusError";

  constructor(
    readonly error: string,
    message: string,
  ) {
    super(message || error);
  }
}

export interface Call {
  destination: string;
  path: string;
  interface: string;
  member: string;
  signature?: string;
  body?: Value[];
}

/** `unix:path=…`, the first that is one; undefined for other kinds of addresses. */
export function systemBusPath(address = process.env.DBUS_SYSTEM_BUS_ADDRESS): string | undefined {
  if (!address) return "/var/run/dbus/system_bus_socket";
  for (const one of address.split(";")) {
    const path = /^unix:(?:.*,)?path=([^,]+)/.exec(one)?.[1];
    if (path) return decodeURIComponent(path);
  }
  return undefined;
}

export interface OpenOptions {
  /** Not a bus, but the one service that listens there: the destination of a call says nothing. */
  peer?: boolean;
  /** Keeps this program alive while it is open. */
  holds?: boolean;
}

export class DbusConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, { resolve(body: Value[]): void; reject(error: Error): void }>();
  #serial = 0;
  #rest: Uint8Array = new Uint8Array(0);
  #onSignal: (signal: Message) => void = () => {};
  #onClose: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** @throws Error when there is no bus, or it does not take us */
  static async open(
    path: string,
    { peer = false, holds = false }: OpenOptions = {},
  ): Promise<DbusConnection> {
    const socket = connect(path);
    // Never what a daemon waits for.
    if (!holds) socket.unref();
    try {
      await authenticate(socket);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    const connection = new DbusConnection(socket);
    socket.on("data", (data: Uint8Array) => connection.#received(data));
    socket.on("close", () => connection.#closed());
    socket.on("error", () => {});
    if (!peer) await connection.bus("Hello", "");
    return connection;
  }

  onSignal(listener: (signal: Message) => void): void {
    this.#onSignal = listener;
  }

  onClose(listener: () => void): void {
    this.#onClose = listener;
  }

  /** A method of the bus itself. */
  bus(member: string, signature: string, ...body: Value[]): Promise<Value[]> {
    return this.call({
      destination: BUS,
      path: "/org/freedesktop/DBus",
      interface: BUS,
      member,
      signature,
      body,
    });
  }

  /** @throws DbusError what the other side answers instead */
  call({ signature, body = [], ...where }: Call): Promise<Value[]> {
    const serial = ++this.#serial;
    const message = { type: TYPE.call, serial, ...where, ...(signature && { signature }), body };
    return new Promise<Value[]>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(serial);
        reject(new Error(`${where.interface}.${where.member}: no answer`));
      }, CALL_TIMEOUT_MS);
      timer.unref();
      this.#waiting.set(serial, {
        resolve: (values) => {
          clearTimeout(timer);
          resolve(values);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#socket.write(encodeMessage(message));
    });
  }

  close(): void {
    this.#onClose = () => {};
    this.#socket.destroy();
  }

  #received(data: Uint8Array): void {
    this.#rest = this.#rest.length === 0 ? data : new Uint8Array([...this.#rest, ...data]);
    try {
      for (;;) {
        const next = decodeMessage(this.#rest);
        if (!next) return;
        this.#rest = this.#rest.slice(next.length);
        this.#take(next.message);
      }
    } catch (error) {
      this.#socket.destroy(error as Error);
    }
  }

  #take(message: Message): void {
    if (message.type === TYPE.signal) {
      this.#onSignal(message);
      return;
    }
    const waiting = this.#waiting.get(message.replyTo ?? 0);
    if (!waiting) return;
    this.#waiting.delete(message.replyTo!);
    if (message.type === TYPE.reply) waiting.resolve(message.body);
    else waiting.reject(new DbusError(message.error ?? "", String(message.body[0] ?? "")));
  }

  #closed(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error("the system's D-Bus went away"));
    this.#waiting.clear();
    this.#onClose();
  }
}

/** `EXTERNAL`: the kernel tells the bus who we are. */
async function authenticate(socket: Socket): Promise<void> {
  const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString("hex");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error("the system's D-Bus does not answer")), CONNECT_TIMEOUT_MS);
  let text = "";
  const read = (data: Uint8Array): void => {
    text += new TextDecoder().decode(data);
    if (!text.includes("\r\n")) return;
    if (text.startsWith("OK ")) resolve();
    else reject(new Error(`the system's D-Bus refuses us: ${text.trim()}`));
  };
  socket.on("data", read);
  socket.once("error", reject);
  socket.write(`\0AUTH EXTERNAL ${uid}\r\n`);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    socket.off("data", read);
    socket.off("error", reject);
  }
  socket.write("BEGIN\r\n");
}
