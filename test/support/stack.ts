/** Daemon, shim and keepers of a built tsd, to be killed in tests. */
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadBusybox } from "./busybox.ts";
import { answers, Daemon, type DaemonOptions, until } from "./daemon.ts";
import { type Footprint, footprint, shimOf } from "./footprint.ts";
import { sweepStack } from "./sweep.ts";

const BUILT = process.env.TSD ?? join(import.meta.dir, "../../dist/tsd");

/** One that has ended and waits for its parent to ask is dead. */
export function alive(pid: number): boolean {
  try {
    return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

export class Stack implements AsyncDisposable {
  readonly daemon = new Daemon();
  /** Every container that there ever was. */
  readonly ids = new Set<string>();
  /** A copy of the built file: it may be replaced. */
  readonly program = join(this.daemon.folder, "tsd");
  /** A folder of the host's, `/go` in containers that ask for it: a file in it is a signal to them. */
  readonly go = join(this.daemon.folder, "go");
  #options: DaemonOptions = {};

  get folder(): string {
    return this.daemon.folder;
  }

  static async start(options: DaemonOptions = {}): Promise<Stack> {
    const stack = new Stack();
    copyFileSync(BUILT, stack.program);
    mkdirSync(stack.go);
    stack.#options = options;
    await stack.begin();
    loadBusybox(stack.daemon);
    return stack;
  }

  async begin(options: DaemonOptions = {}): Promise<void> {
    await this.daemon.start({ program: [this.program], ...this.#options, ...options });
  }

  /** Another build under the same path: the file's size and time are part of what a build is called. */
  replaceProgram(): void {
    const fresh = `${this.program}.new`;
    copyFileSync(BUILT, fresh);
    renameSync(fresh, this.program);
  }

  docker(...args: string[]) {
    return this.daemon.docker(...args);
  }

  /** Its output; throws when it fails. */
  async ok(...args: string[]): Promise<string> {
    const { stdout, stderr, status } = await this.docker(...args);
    if (status !== 0)
      throw new Error(`docker ${args.join(" ")}: ${status}: ${stderr}${stdout}\n${this.daemon.log}`);
    return stdout.trim();
  }

  /** `docker run -d` with `/go`; its id. */
  async run(flags: readonly string[], script: string): Promise<string> {
    const id = await this.ok("run", "-d", "-v", `${this.go}:/go`, ...flags, "busybox", "sh", "-c", script);
    this.ids.add(id);
    return id;
  }

  signal(name: string): void {
    writeFileSync(join(this.go, name), "");
  }

  inspect(container: string, format: string): Promise<string> {
    return this.ok("inspect", "-f", format, container);
  }

  async pid(container: string): Promise<number> {
    return Number(await this.inspect(container, "{{.State.Pid}}"));
  }

  /** 0: there is none. */
  shimPid(): number {
    return shimOf(join(this.folder, "exec"));
  }

  async killDaemon(): Promise<void> {
    await this.daemon.stop("SIGKILL");
  }

  async killShim(): Promise<number> {
    const pid = this.shimPid();
    if (pid === 0) throw new Error("there is no shim to kill");
    process.kill(pid, "SIGKILL");
    await until(() => !alive(pid) || this.shimPid() !== pid, "the killed shim to be gone");
    return pid;
  }

  /** Resolves to the new shim's pid, which answers. */
  async nextShim(before: number, ms = 1000): Promise<number> {
    let pid = 0;
    await until(
      async () => {
        pid = this.shimPid();
        return pid !== 0 && pid !== before && (await answers(join(this.folder, "exec/shim.sock")));
      },
      "another shim",
      ms,
    );
    return pid;
  }

  footprint(): Footprint {
    return footprint(this.folder, [...this.ids]);
  }

  /** Waits until nothing is left but what was there before, and says what else there is if it stays. */
  async back(before: Footprint): Promise<void> {
    let now = this.footprint();
    const same = (): boolean => JSON.stringify(now) === JSON.stringify(before);
    for (const end = Date.now() + 5000; !same() && Date.now() < end; now = this.footprint())
      await Bun.sleep(50);
    if (same()) return;
    const more = Object.entries(now).map(([kind, list]) => [
      kind,
      (list as string[]).filter((each) => !before[kind as keyof Footprint].includes(each)),
      before[kind as keyof Footprint].filter((each) => !(list as string[]).includes(each)),
    ]);
    throw new Error(`left behind, and missing: ${JSON.stringify(more, null, 1)}`);
  }

  /** Whatever state a failed test has left it in: nothing of it stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
    this.daemon.sweep();
  }

  /** All of it ends at once, and nothing of it is left but files. */
  async powerOff(): Promise<void> {
    if (this.daemon.running) await this.daemon.stop("SIGKILL");
    sweepStack({ folder: this.folder, ids: this.ids });
  }
}

/** The lines of a counting script: `1`, `2`, …, then `end N`. Undefined when all is right, else what is wrong. */
export function wrongLine(output: string): string | undefined {
  const lines = output.split("\n").slice(0, -1);
  const last = lines.pop();
  const wrong = lines.findIndex((line, n) => line !== String(n + 1));
  if (wrong >= 0) return `line ${wrong + 1} is ${JSON.stringify(lines.slice(wrong, wrong + 3))}`;
  return last === `end ${lines.length}`
    ? undefined
    : `after ${lines.length} lines comes ${JSON.stringify(last)}`;
}
