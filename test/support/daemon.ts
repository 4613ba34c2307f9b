/** A private daemon for a test: own roots, own socket, and nothing left behind. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shimOf } from "./footprint.ts";
import { sweepStack } from "./sweep.ts";
import { unswept } from "./unswept.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");
/** `TSD` names a built file to test instead of the sources. Asked when it is needed: who sets it imports this first. */
export const program = (): string[] => (process.env.TSD ? [process.env.TSD] : [process.execPath, MAIN]);

export interface DaemonOptions {
  args?: readonly string[];
  env?: Record<string, string>;
  /** Default: `-H unix://SOCKET`. */
  hosts?: readonly string[];
  /** Words in front of the program. */
  under?: readonly string[];
  /** Do not wait for the socket. */
  wait?: boolean;
  /** The words that start tsd. Default: what `TSD` names, or the sources. */
  program?: readonly string[];
}

export class Daemon implements AsyncDisposable {
  readonly folder: string;
  readonly socket: string;
  #process: Bun.Subprocess<"ignore", "pipe", "pipe"> | undefined;
  #log = "";

  constructor(folder = mkdtempSync(join(tmpdir(), "daemon-"))) {
    this.folder = folder;
    this.socket = join(folder, "api.sock");
    unswept.add(this);
  }

  get log(): string {
    return this.#log;
  }

  get pid(): number {
    return this.#process!.pid;
  }

  get running(): boolean {
    return (
      this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
    );
  }

  async start({
    args = [],
    env = {},
    hosts,
    under = [],
    wait = true,
    program: words = program(),
  }: DaemonOptions = {}): Promise<this> {
    const listen = (hosts ?? [`unix://${this.socket}`]).flatMap((host) => ["-H", host]);
    const command = [
      ...under,
      ...words,
      "daemon",
      ...["--data-root", join(this.folder, "data"), "--exec-root", join(this.folder, "exec")],
      ...["--pidfile", join(this.folder, "pid"), ...listen, ...args],
    ];
    const child = Bun.spawn(command, {
      cwd: "/",
      env: { PATH: process.env.PATH ?? "", HOME: "/root", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    this.#log = "";
    void this.#read(child.stderr);
    if (wait) {
      await until(
        () => this.#log.includes("API listen on") || child.exitCode !== null,
        "the daemon to listen",
      );
      if (child.exitCode !== null) throw new Error(`the daemon ended: ${this.#log}`);
    }
    return this;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#log += decoder.decode(chunk, { stream: true });
  }

  /** Sends the signal and waits for the end. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    const child = this.#process!;
    child.kill(signal);
    return child.exited;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process!.kill(signal);
  }

  exited(): Promise<number> {
    return this.#process!.exited;
  }

  request(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://localhost${path}`, { ...init, unix: this.socket } as RequestInit);
  }

  /** The real client; `fails` when its status is not 0. */
  async docker(...args: string[]): Promise<{ stdout: string; stderr: string; status: number }> {
    const child = Bun.spawn(["docker", "-H", `unix://${this.socket}`, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { stdout, stderr, status: await child.exited };
  }

  /** Kills all containers, ends daemon and shim, removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (!this.running) return;
      const { stdout } = await this.docker("ps", "-aq");
      const ids = stdout.split("\n").filter(Boolean);
      if (ids.length > 0) await this.docker("rm", "-f", ...ids);
      await this.stop();
      // It would by itself, having neither containers nor a daemon, but only after a while.
      const shim = shimOf(join(this.folder, "exec"));
      if (shim !== 0) process.kill(shim, "SIGTERM");
      const socket = join(this.folder, "exec/shim.sock");
      await until(async () => !existsSync(socket) || !(await answers(socket)), "the shim to end");
    } finally {
      this.sweep();
    }
  }

  /** The same at once, whatever state it is in. */
  sweep(): void {
    sweepStack({ folder: this.folder });
    rmSync(this.folder, { recursive: true, force: true });
    unswept.delete(this);
  }
}

export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  timeout = 20_000,
): Promise<void> {
  const end = Date.now() + timeout;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await Bun.sleep(10);
  }
}

export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Private and shared memory of a process, in KiB. */
export function proportionalMemory(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
}
