/** systemd itself, over D-Bus. @source org.freedesktop.systemd1(5) */
import { exists } from "../../ffi/host.ts";
import { DbusConnection, DbusError, systemBusPath } from "../dbus/connection.ts";
import type { Message } from "../dbus/message.ts";
import type { Value } from "../dbus/values.ts";
import { EngineError } from "../errors.ts";
import type { Property } from "./properties.ts";

const NAME = "org.freedesktop.systemd1";
const PATH = "/org/freedesktop/systemd1";
const MANAGER = `${NAME}.Manager`;
const JOB_TIMEOUT_MS = 30_000;
/** sd_booted(3). */
const BOOTED = "/run/systemd/system";
/** Where it listens for root when there is no bus (yet). */
const PRIVATE = "/run/systemd/private";
/** A unit that has just ended is forgotten a moment later. */
const EXISTS_TRIES = 20;
const EXISTS_PAUSE_MS = 50;

type Ended = (result: string | Error) => void;

export class Systemd implements Disposable {
  readonly #bus: DbusConnection;
  /** Of every job that has ended since. */
  readonly #results = new Map<string, string>();
  readonly #waiting = new Map<string, Ended>();

  private constructor(bus: DbusConnection) {
    this.#bus = bus;
    bus.onSignal((signal) => this.#signal(signal));
    bus.onClose(() => {
      for (const end of this.#waiting.values()) end(new Error("systemd's D-Bus went away"));
    });
  }

  /** @throws EngineError unavailable where the machine runs without it */
  static async open(): Promise<Systemd> {
    if (!exists(BOOTED))
      throw new EngineError(
        "unavailable",
        "systemd not running on this host, cannot use systemd cgroups manager",
      );
    const path = systemBusPath();
    try {
      if (path === undefined) throw new Error("its address is no unix socket");
      const bus = await DbusConnection.open(path, { holds: true });
      const systemd = new Systemd(bus);
      // Before whatever is called next: a bus keeps the order.
      const match = `type='signal',sender='${NAME}',path='${PATH}',interface='${MANAGER}',member='JobRemoved'`;
      await bus.bus("AddMatch", "s", match);
      return systemd;
    } catch (error) {
      return Systemd.#openPrivate(error as Error);
    }
  }

  static async #openPrivate(first: Error): Promise<Systemd> {
    try {
      return new Systemd(await DbusConnection.open(PRIVATE, { holds: true, peer: true }));
    } catch {
      throw new EngineError("unavailable", `failed to connect to dbus: ${first.message}`, { cause: first });
    }
  }

  /** 252 of `252.39-1~deb12u1`; 0 when it does not say. */
  async version(): Promise<number> {
    const [text] = await this.#bus.call({
      destination: NAME,
      path: PATH,
      interface: "org.freedesktop.DBus.Properties",
      member: "Get",
      signature: "ss",
      body: [MANAGER, "Version"],
    });
    return Number(/\d+/.exec(String(text))?.[0] ?? 0);
  }

  /** Resolves when it runs. @throws Error */
  async startScope(name: string, properties: readonly Property[]): Promise<void> {
    const start = () =>
      this.#job("StartTransientUnit", "ssa(sv)a(sa(sv))", name, "replace", pairs(properties), []);
    let result = "";
    try {
      for (let tries = 1; result === ""; tries++) {
        try {
          result = await start();
        } catch (error) {
          if (!isExists(error) || tries === EXISTS_TRIES) throw error;
          await this.#reset(name);
          await Bun.sleep(EXISTS_PAUSE_MS);
        }
      }
    } catch (error) {
      throw new Error(`unable to start unit ${JSON.stringify(name)}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    if (result === "done") return;
    await this.#reset(name);
    throw new Error(`error creating systemd unit \`${name}\`: got \`${result}\``);
  }

  /** One that is not there any more is fine: without processes a scope ends by itself. */
  async stop(name: string): Promise<void> {
    try {
      await this.#job("StopUnit", "ss", name, "replace");
    } catch (error) {
      if (!(error instanceof DbusError)) throw error;
    }
    await this.#reset(name);
  }

  /** Until the unit ends. */
  async setProperties(name: string, properties: readonly Property[]): Promise<void> {
    if (properties.length === 0) return;
    try {
      await this.#call("SetUnitProperties", "sba(sv)", name, true, pairs(properties));
    } catch (error) {
      throw new Error(`unable to set unit properties: ${(error as Error).message}`, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#bus.close();
  }

  /** One that failed stays, and its name with it. */
  async #reset(name: string): Promise<void> {
    try {
      await this.#call("ResetFailedUnit", "s", name);
    } catch (error) {
      // Most have not failed, and are not there any more.
      if (!(error instanceof DbusError)) throw error;
    }
  }

  #call(member: string, signature: string, ...body: Value[]): Promise<Value[]> {
    return this.#bus.call({ destination: NAME, path: PATH, interface: MANAGER, member, signature, body });
  }

  /** Calls for a job, and resolves with its result: `done`, `failed`, `canceled`, … */
  async #job(member: string, signature: string, ...body: Value[]): Promise<string> {
    const [path] = await this.#call(member, signature, ...body);
    const job = String(path);
    const known = this.#results.get(job);
    if (known !== undefined) return known;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(
      () => reject(new Error(`${member}: systemd has not done it in ${JOB_TIMEOUT_MS / 1000} s`)),
      JOB_TIMEOUT_MS,
    );
    this.#waiting.set(job, (result) => (typeof result === "string" ? resolve(result) : reject(result)));
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(job);
    });
  }

  #signal({ member, body }: Message): void {
    if (member !== "JobRemoved") return;
    const [, job, , result] = body;
    this.#results.set(String(job), String(result));
    this.#waiting.get(String(job))?.(String(result));
  }
}

const pairs = (properties: readonly Property[]): Value[] =>
  properties.map(([name, value]): Value => [name, value]);

const isExists = (error: unknown): boolean =>
  error instanceof DbusError && error.error === `${NAME}.UnitExists`;
