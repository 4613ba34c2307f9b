/** A private daemon from source with a busybox image, spoken to by the real docker client. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { program } from "../../support/daemon.ts";
import { removeNetworks } from "../../support/networks.ts";

const COMMANDS =
  "sh seq usleep ls cat echo true false sleep id env ps mount hostname pwd mkdir touch stty tty df head grep ln rm dd mknod";

export interface Answer {
  status: number;
  out: string;
  err: string;
}

export class TestEngine {
  readonly folder = mkdtempSync(join(tmpdir(), "tsd-e2e-"));
  readonly socket = join(this.folder, "tsd.sock");
  readonly dataRoot = join(this.folder, "data");
  readonly execRoot = join(this.folder, "run");
  #daemon: Bun.Subprocess | undefined;

  static async open(): Promise<TestEngine> {
    const engine = new TestEngine();
    await engine.start();
    engine.#image();
    return engine;
  }

  async start(): Promise<void> {
    this.#daemon = Bun.spawn(
      [
        ...[...program(), "daemon", "-H", `unix://${this.socket}`],
        ...[
          "--data-root",
          this.dataRoot,
          "--exec-root",
          this.execRoot,
          "--pidfile",
          join(this.folder, "pid"),
        ],
      ],
      { stdin: "ignore", stdout: "ignore", stderr: Bun.file(join(this.folder, "log")) },
    );
    for (let i = 0; i < 200; i++) {
      if ((await this.run("version")).status === 0) return;
      await sleep(50);
    }
    throw new Error(`the daemon does not answer: ${await Bun.file(join(this.folder, "log")).text()}`);
  }

  /** Ends the daemon, by force if so, and leaves the shim and its containers. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#daemon?.kill(signal);
    await this.#daemon?.exited;
  }

  async close(): Promise<void> {
    const { out } = await this.run("ps", "-aq");
    const ids = out.split("\n").filter(Boolean);
    if (ids.length > 0) await this.run("rm", "-f", "-v", ...ids);
    await this.stop();
    // The shim ends by itself; its socket is the last that it removes.
    for (let i = 0; i < 200 && readdirSync(this.execRoot).includes("shim.sock"); i++) await sleep(20);
    removeNetworks(this.dataRoot, this.execRoot);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs the docker client; nothing is thrown for a status other than 0. */
  async run(...args: string[]): Promise<Answer> {
    return this.feed("", ...args);
  }

  async feed(stdin: string, ...args: string[]): Promise<Answer> {
    const child = Bun.spawn(["docker", "-H", `unix://${this.socket}`, ...args], {
      stdin: new Blob([stdin]),
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, DOCKER_CONFIG: this.folder, DOCKER_HOST: "" },
    });
    const [out, err, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { status, out, err };
  }

  /** What a container without a network prints. */
  async say(options: string[], ...command: string[]): Promise<string> {
    const { status, out, err } = await this.run(
      "run",
      "--rm",
      "--network",
      "none",
      ...options,
      "busybox",
      ...command,
    );
    if (status !== 0) throw new Error(`docker run ended with ${status}: ${err}`);
    return out.trim();
  }

  /** A container that waits to be told to end: it does so with status 7. */
  async sleeper(name: string, ...options: string[]): Promise<string> {
    const script = "trap 'exit 7' TERM; echo ready; while true; do sleep 0.05; done";
    const { out, err, status } = await this.run(
      ...["run", "-d", "--name", name, "--network", "none", ...options, "busybox", "sh", "-c", script],
    );
    if (status !== 0) throw new Error(err);
    await this.until(async () => (await this.run("logs", name)).out.includes("ready"));
    return out.trim();
  }

  async until(condition: () => Promise<boolean>, ms = 10_000): Promise<void> {
    for (const end = Date.now() + ms; Date.now() < end; await sleep(20)) if (await condition()) return;
    throw new Error("it did not become so in time");
  }

  async inspect<T>(name: string, format: string): Promise<T> {
    const { out, err, status } = await this.run("inspect", "-f", `{{json ${format}}}`, name);
    if (status !== 0) throw new Error(err);
    return JSON.parse(out) as T;
  }

  #image(): void {
    const root = join(this.folder, "image");
    for (const folder of ["bin", "etc", "tmp", "root", "proc", "sys", "dev"])
      mkdirSync(join(root, folder), { recursive: true });
    copyFileSync("/bin/busybox", join(root, "bin/busybox"));
    for (const name of COMMANDS.split(" ")) symlinkSync("busybox", join(root, "bin", name));
    writeFileSync(
      join(root, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
    );
    writeFileSync(join(root, "etc/group"), "root:x:0:\napp:x:1000:\nwheel:x:10:app\n");
    const tar = Bun.spawnSync(["tar", "-C", root, "-c", "."]);
    const load = Bun.spawnSync(
      ["docker", "-H", `unix://${this.socket}`, "import", "-c", 'CMD ["sh"]', "-", "busybox"],
      { stdin: tar.stdout },
    );
    if (load.exitCode !== 0) throw new Error(load.stderr.toString());
    rmSync(root, { recursive: true });
  }
}
