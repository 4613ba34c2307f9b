/**
 * As much of systemd as a container runtime asks for, and of a bus to find it by: it notes what it is told, and makes
 * nothing. Programs that run `under` it see a machine that was booted by systemd.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeMessage, encodeMessage, type Message, TYPE } from "../../src/engine/dbus/message.ts";
import type { Value } from "../../src/engine/dbus/values.ts";

const NAME = "org.freedesktop.systemd1";
const PATH = "/org/freedesktop/systemd1";

export interface Told {
  member: string;
  body: Value[];
  /** Of a new unit's PIDs, those that there were. */
  alive: number[];
}

export class FakeSystemd implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "systemd-"));
  readonly socket = join(this.folder, "bus");
  readonly told: Told[] = [];
  /** How the next jobs end, or that there is such a unit already; "done" when it is empty. */
  readonly results: (string | "exists")[] = [];
  readonly #server: Server;
  #serial = 0;
  #jobs = 0;

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(): Promise<FakeSystemd> {
    const made = new FakeSystemd();
    await new Promise<void>((resolve) => made.#server.listen(made.socket, resolve));
    return made;
  }

  /** Words in front of a program: on a machine with systemd or without one, and where either of its sockets is there. */
  under({ booted = true, bus = true, own = false } = {}): string[] {
    const prepare = [
      "mount -t tmpfs tmpfs /run",
      `mkdir -p /run/${booted ? "systemd/system" : "nothing"}`,
      ...(own ? [`ln -s ${this.socket} /run/systemd/private`] : []),
      `export DBUS_SYSTEM_BUS_ADDRESS=unix:path=${bus ? this.socket : "/nosuch"}`,
      'exec "$@"',
    ];
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", prepare.join(" && "), "under"];
  }

  of(member: string): Told[] {
    return this.told.filter((each) => each.member === member);
  }

  #serve(socket: Socket): void {
    let rest: Uint8Array = new Uint8Array(0);
    let authenticated = false;
    socket.on("error", () => {});
    socket.on("data", (data) => {
      const all = Buffer.concat([rest, data as Uint8Array]);
      rest = all;
      if (!authenticated) {
        const begin = all.indexOf("BEGIN\r\n");
        if (begin < 0) {
          socket.write("OK 0123456789abcdef0123456789abcdef\r\n");
          return;
        }
        authenticated = true;
        rest = all.subarray(begin + 7);
      }
      for (;;) {
        const next = decodeMessage(rest);
        if (!next) return;
        rest = rest.slice(next.length);
        this.#take(socket, next.message);
      }
    });
  }

  #take(socket: Socket, { serial, member = "", body }: Message): void {
    const send = (message: Omit<Message, "serial">): void => {
      socket.write(encodeMessage({ serial: ++this.#serial, ...message }));
    };
    const reply = (signature?: string, ...values: Value[]): void =>
      send({ type: TYPE.reply, replyTo: serial, ...(signature && { signature }), body: values });
    const refuse = (error: string, text: string): void =>
      send({ type: TYPE.error, replyTo: serial, error: `${NAME}.${error}`, signature: "s", body: [text] });
    const end = (): void => {
      const result = this.results.shift() ?? "done";
      if (result === "exists") {
        refuse("UnitExists", `Unit ${body[0]} was already loaded.`);
        return;
      }
      const job = `${PATH}/job/${++this.#jobs}`;
      reply("o", job);
      send({
        type: TYPE.signal,
        path: PATH,
        interface: `${NAME}.Manager`,
        member: "JobRemoved",
        signature: "uoss",
        body: [this.#jobs, job, body[0]!, result],
      });
    };
    const properties = new Map((member === "StartTransientUnit" ? body[2] : []) as [string, Value][]);
    const alive = ((properties.get("PIDs") ?? []) as number[]).filter(isAlive);
    this.told.push({ member, body, alive });
    if (["Hello", "AddMatch", "SetUnitProperties"].includes(member)) reply();
    else if (member === "Get") reply("s", "252.39-1~deb12u1");
    else if (member === "StartTransientUnit" || member === "StopUnit") end();
    else refuse("NoSuchUnit", `Unit ${body[0]} not loaded.`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
