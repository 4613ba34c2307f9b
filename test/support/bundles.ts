/** Bundles of a static busybox, and tsrunc to run them with: from source, or as it was built. Needs root and busybox-static. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { detectCgroups } from "../../src/engine/runtime/cgroup-layout.ts";
import { defaultSeccomp } from "../../src/engine/runtime/seccomp-default.ts";
import type { Spec } from "../../src/engine/runtime/spec.ts";
import { sweepStack } from "./sweep.ts";
import { unswept } from "./unswept.ts";

const REPOSITORY = join(import.meta.dir, "../..");
const BUILT = process.env.TSD ?? join(REPOSITORY, "dist/tsd");
export const CAPS = ["CAP_CHOWN", "CAP_KILL", "CAP_MKNOD", "CAP_SETGID", "CAP_SETUID"];

export interface Result {
  status: number;
  stdout: string;
  stderr: string;
}

export class Bundles {
  readonly base = mkdtempSync(join(tmpdir(), "tsd-tsrunc-"));
  readonly rootfs = join(this.base, "rootfs");
  readonly program = join(this.base, "tsrunc");
  readonly state = join(this.base, "state");
  /** Below every hierarchy's root: the parent of the containers' cgroups. */
  readonly cgroups = `tsd-test-${process.pid}`;

  /** `built`: the executable that users get; engines run sources with threads that were there before them. */
  constructor({ built = false } = {}) {
    unswept.add(this);
    const { rootfs, program } = this;
    for (const folder of ["bin", "dev", "etc", "proc", "sys", "tmp"])
      mkdirSync(join(rootfs, folder), { recursive: true });
    copyFileSync("/bin/busybox", join(rootfs, "bin/busybox"));
    this.#must("chroot", rootfs, "/bin/busybox", "--install", "-s", "/bin");
    writeFileSync(
      join(rootfs, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\nann:x:7:8::/home/ann:/bin/sh\n",
    );
    if (built) symlinkSync(BUILT, program);
    else {
      writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${REPOSITORY}/src/main.ts tsrunc "$@"\n`);
      chmodSync(program, 0o755);
    }
  }

  command(words: string[], cwd = this.base): Result {
    const { exitCode, stdout, stderr } = Bun.spawnSync(words, { cwd, stdin: "ignore" });
    return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  /** The words of a call, with the private folder for states. */
  words = (...args: string[]): string[] => [this.program, "--root", this.state, ...args];

  tsrunc = (...args: string[]): Result => this.command(this.words(...args));

  /** Writes a bundle, and returns its folder. */
  bundle(name: string, args: string[], change: (spec: Spec) => void = () => {}): string {
    const folder = join(this.base, name);
    mkdirSync(folder, { recursive: true });
    rmSync(join(folder, "config.json"), { force: true });
    this.#must(this.program, "spec", "--bundle", folder);
    const spec = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Spec;
    spec.process!.terminal = false;
    spec.process!.args = args;
    spec.process!.capabilities = { bounding: CAPS, effective: CAPS, permitted: CAPS };
    spec.root!.path = this.rootfs;
    spec.linux!.cgroupsPath = `/${this.cgroups}/${name}`;
    spec.linux!.seccomp = defaultSeccomp(CAPS);
    const namespaces = spec.linux!.namespaces!;
    if (!namespaces.some(({ type }) => type === "cgroup")) namespaces.push({ type: "cgroup" });
    change(spec);
    writeFileSync(join(folder, "config.json"), JSON.stringify(spec));
    return folder;
  }

  /** The container's folders in the cgroup hierarchies, as far as they are there. */
  cgroupsOf(name: string): string[] {
    return detectCgroups()
      .hierarchies.map(({ mountpoint }) => join(mountpoint, this.cgroups, name))
      .filter((path) => existsSync(path));
  }

  /** Ends what is left of its containers, too. */
  sweep(): void {
    sweepStack({ folder: this.base, ids: [`/${this.cgroups}/`] });
    for (const { mountpoint } of detectCgroups().hierarchies) {
      const folder = join(mountpoint, this.cgroups);
      if (!existsSync(folder)) continue;
      for (const entry of readdirSync(folder, { withFileTypes: true }))
        if (entry.isDirectory()) rmdirSync(join(folder, entry.name));
      rmdirSync(folder);
    }
    rmSync(this.base, { recursive: true, force: true });
    unswept.delete(this);
  }

  #must(...words: string[]): void {
    const { status, stderr } = this.command(words);
    if (status !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
  }
}

export async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error("it did not come to that");
    await Bun.sleep(20);
  }
}
