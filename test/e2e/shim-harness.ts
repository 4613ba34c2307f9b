/**
 * A private exec root with the real shim, keepers and runtime, and a busybox root file system; nothing is left of
 * it afterwards.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Spec } from "../../src/engine/runtime/spec.ts";
import { connectShim } from "../../src/engine/shim/client.ts";
import type {
  ContainerIo,
  ExecLaunchRequest,
  Exit,
  Rootfs,
  ShimClient,
} from "../../src/engine/shim/types.ts";
import { sweepStack } from "../support/sweep.ts";
import { unswept } from "../support/unswept.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
const APPLETS = [
  "sh",
  "echo",
  "cat",
  "sleep",
  "true",
  "yes",
  "head",
  "seq",
  "stty",
  "awk",
  "kill",
  "setuidgid",
];
export const PIPES: ContainerIo = { kind: "pipes", stdin: false, stdinOnce: false };

export interface LaunchOptions {
  io?: ContainerIo;
  namespaces?: string[];
  uid?: number;
  /** False: none; a path: there. */
  log?: false | string;
  /** Default: the folder itself. */
  rootfs?: Rootfs;
  memory?: number;
}

export class ShimHarness {
  readonly folder = mkdtempSync(join(tmpdir(), "tsd-e2e-shim-"));
  /** On tmpfs, as /run is: on a disk whose journal is busy, a restart would wait for the disk. */
  readonly execRoot = mkdtempSync("/dev/shm/tsd-e2e-shim-");
  readonly rootfs = join(this.folder, "rootfs");
  readonly exits = new Map<string, Exit>();
  readonly ooms: string[] = [];
  readonly warnings: string[] = [];
  /** Words before the shim's own: in which namespaces it is to run. */
  under: readonly string[] = [];
  readonly #clients: ShimClient[] = [];
  readonly #prefix = Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString("hex");
  #count = 0;

  constructor() {
    unswept.add(this);
    for (const name of ["bin", "proc", "dev", "tmp"]) mkdirSync(join(this.rootfs, name), { recursive: true });
    const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
    if (busybox === undefined) throw new Error("busybox-static is not installed");
    cpSync(busybox, join(this.rootfs, "bin/busybox"));
    for (const applet of APPLETS) symlinkSync("busybox", join(this.rootfs, "bin", applet));
  }

  id(): string {
    return `${this.#prefix}${(++this.#count).toString(16).padStart(8, "0")}`
      .padStart(64, "0")
      .split("")
      .reverse()
      .join("");
  }

  async connect(bun = process.execPath): Promise<ShimClient> {
    const shim = await connectShim({
      execRoot: this.execRoot,
      onWarn: (message) => this.warnings.push(message),
      program: [...this.under, bun, MAIN, "ts-shim"],
    });
    shim.onExit((exit) => this.exits.set(exit.id, exit));
    shim.onOom(({ id }) => this.ooms.push(id));
    this.#clients.push(shim);
    return shim;
  }

  spec(id: string, args: string[], options: LaunchOptions = {}): Spec {
    const names = options.namespaces ?? ["pid", "mount", "ipc", "uts", "network"];
    return {
      ociVersion: "1.2.0",
      process: this.process(args, options.uid),
      root: { path: this.rootfs },
      hostname: "box",
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
        {
          destination: "/dev/pts",
          type: "devpts",
          source: "devpts",
          options: ["newinstance", "ptmxmode=0666"],
        },
      ],
      linux: {
        cgroupsPath: `${this.cgroupParent}/${id}`,
        namespaces: names.map((type) => ({ type })),
        resources: {
          devices: [{ allow: true, access: "rwm" }],
          ...(options.memory && { memory: { limit: options.memory, swap: options.memory } }),
        },
      },
    } as Spec;
  }

  process(args: string[], uid = 0): ExecLaunchRequest["process"] {
    return { args, env: ["PATH=/bin"], cwd: "/", user: { uid, gid: uid } } as ExecLaunchRequest["process"];
  }

  get cgroupParent(): string {
    return `/tsd-e2e-${this.#prefix}`;
  }

  log(id: string): string {
    return join(this.folder, `${id}.log`);
  }

  async launch(
    shim: ShimClient,
    args: string[],
    options: LaunchOptions & { id?: string } = {},
  ): Promise<string> {
    const id = options.id ?? this.id();
    await shim.launch({
      id,
      spec: this.spec(id, args, options),
      rootfs: options.rootfs ?? { kind: "path", path: this.rootfs },
      io: options.io ?? PIPES,
      log:
        options.log === false
          ? { driver: "none" }
          : { driver: "json-file", path: options.log ?? this.log(id), options: {} },
      init: false,
    });
    return id;
  }

  async exit(id: string): Promise<Exit> {
    await until(() => this.exits.has(id), `the end of ${id}`);
    return this.exits.get(id)!;
  }

  /** Every line of the log, each of which must be whole. */
  lines(id: string): string[] {
    const text = readFileSync(this.log(id), "utf8");
    if (text !== "" && !text.endsWith("\n")) throw new Error("the last line is torn");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line).log as string);
  }

  /** Pids whose command line has this in it. */
  pids(...parts: string[]): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        const line = commandLine(pid);
        return pid !== process.pid && parts.every((part) => line.includes(part));
      });
  }

  shimPid(): number {
    return this.pids("ts-shim", this.execRoot)[0] ?? 0;
  }

  children(pid: number): number[] {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  }

  /** The keeper is the parent of the container's first process. */
  async keeperPid(shim: ShimClient, id: string): Promise<number> {
    const pid = (await shim.list()).find((each) => each.id === id)!.pid;
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);
  }

  /** Folders of the container's cgroups that are there. */
  cgroups(): string[] {
    const mounts = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(" - cgroup"))
      .map((line) => line.split(" ")[4] + this.cgroupParent);
    return mounts.filter((path) => existsSync(path));
  }

  /** All processes of a container, by its first cgroup. */
  inCgroup(id: string): number[] {
    const text = readFileSync(join(this.cgroups()[0]!, id, "cgroup.procs"), "utf8");
    return text.split("\n").filter(Boolean).map(Number);
  }

  /** One of the files in `k/`. */
  file(id: string, suffix: string): string {
    return join(this.execRoot, "k", `${id.slice(0, 24)}.${suffix}`);
  }

  files(): string[] {
    return readdirSync(join(this.execRoot, "k")).filter((name) => !["journal", "sessions"].includes(name));
  }

  /** Ends all that was started here. */
  async dispose(): Promise<void> {
    try {
      await this.#end();
    } finally {
      this.sweep();
    }
  }

  /** The same at once, whatever state it is in. */
  sweep(): void {
    for (const client of this.#clients) client.close();
    sweepStack({ folder: this.folder, execRoot: this.execRoot });
    for (const parent of this.cgroups()) rmdirSync(parent);
    for (const folder of [this.folder, this.execRoot]) rmSync(folder, { recursive: true, force: true });
    unswept.delete(this);
  }

  async #end(): Promise<void> {
    const shim = this.#clients.at(-1);
    for (const { id, exit } of (await shim?.list().catch(() => [])) ?? []) {
      if (exit === undefined) await shim!.signal(id, 9).catch(() => {});
    }
    await until(async () => {
      const left = (await shim?.list().catch(() => [])) ?? [];
      for (const { id, exit } of left) if (exit !== undefined) await shim!.release(id).catch(() => {});
      return left.length === 0;
    }, "the end of all processes");
    for (const client of this.#clients) client.close();
    const pid = this.shimPid();
    if (pid > 0) process.kill(pid, "SIGTERM");
    await until(() => this.shimPid() === 0, "the end of the shim");
  }
}

export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

export const alive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

/** Waits for a condition; what it was is said when it does not come. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited too long for ${what}`);
    await Bun.sleep(5);
  }
}
