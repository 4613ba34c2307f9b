/** Debian's dockerd as a peer: own roots, own socket; no bridge and no firewall unless it has a host to itself. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./daemon.ts";
import { clearAfterDockerd } from "./machine.ts";

export class Dockerd implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "dockerd-"));
  readonly socket = join(this.folder, "api.sock");
  #process: Bun.Subprocess | undefined;

  /** The words in front of a program that is to run in a network namespace of the daemon's own. */
  readonly #under: readonly string[] | undefined;

  constructor(under?: readonly string[]) {
    this.#under = under;
  }

  async start(...args: string[]): Promise<this> {
    const log = join(this.folder, "log");
    const child = Bun.spawn(
      [
        ...(this.#under ?? []),
        ...["dockerd", "-H", `unix://${this.socket}`],
        // It would turn the whole machine into a router.
        ...(this.#under
          ? []
          : ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]),
        ...["--data-root", join(this.folder, "data"), "--exec-root", join(this.folder, "exec")],
        ...["--pidfile", join(this.folder, "pid"), ...args],
      ],
      {
        // Where its containerd writes all its stacks when it was slow to answer.
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, TMPDIR: this.folder },
        stdio: ["ignore", Bun.file(log), Bun.file(log)],
      },
    );
    this.#process = child;
    await until(
      () => child.exitCode !== null || readFileSync(log, "utf8").includes("API listen on"),
      "dockerd to listen",
      60_000,
    );
    if (child.exitCode !== null) throw new Error(`dockerd ended: ${readFileSync(log, "utf8")}`);
    return this;
  }

  get pid(): number {
    return this.#process!.pid;
  }

  /** With the same options. Its containers have been stopped before. */
  async restart(...args: string[]): Promise<void> {
    this.#process!.kill();
    await this.#process!.exited;
    rmSync(join(this.folder, "log"));
    await this.start(...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const docker = (...words: string[]) => Bun.spawnSync(["docker", "-H", `unix://${this.socket}`, ...words]);
    if (this.#process && this.#process.exitCode === null) {
      const ids = docker("ps", "-aq").stdout.toString().split("\n").filter(Boolean);
      if (ids.length > 0) docker("rm", "-f", "-v", ...ids);
      this.#process.kill();
      await this.#process.exited;
    }
    clearAfterDockerd(this.folder);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
