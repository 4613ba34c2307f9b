/** dockerd and our daemon, each in a host of its own with bridge and firewall, and a client on their lan. */
import { join } from "node:path";
import { loadBusybox } from "../support/busybox.ts";
import { Daemon, until } from "../support/daemon.ts";
import { Dockerd } from "../support/dockerd.ts";
import { type Host, makeHosts } from "../support/hosts.ts";
import { VolatileFolder } from "./exec-root.ts";

/** The program that asks and answers, for all measurements of networks. */
export const LOAD = join(import.meta.dir, "load.ts");

interface Engine {
  pid: number;
  folder: string;
  socket: string;
}

export class Side implements AsyncDisposable {
  readonly #servers: Bun.Subprocess[] = [];

  constructor(
    readonly host: Host,
    readonly engine: Engine,
  ) {}

  docker(...words: string[]): Promise<string> {
    return this.host.ok("docker", "-H", `unix://${this.engine.socket}`, ...words);
  }

  run(name: string, ...flags: string[]): Promise<string> {
    return this.docker("run", "-d", "--name", name, ...flags, "busybox", "sleep", "3600");
  }

  /** Starts a server in the container's network. */
  async serve(container: string, port: number, ...words: string[]): Promise<void> {
    const net = `/proc/${await this.docker("inspect", "-f", "{{.State.Pid}}", container)}/ns/net`;
    const under = ["nsenter", `--net=${net}`];
    this.#servers.push(Bun.spawn([...under, ...words], { stdio: ["ignore", "ignore", "inherit"] }));
    const listening = () =>
      Bun.spawnSync([...under, "ss", "-Hltn", `sport = :${port}`]).stdout.toString() !== "";
    await until(listening, `a server at ${port}`);
  }

  serveHttp(container: string, port: number): Promise<void> {
    return this.serve(container, port, process.execPath, LOAD, "http", "0.0.0.0", String(port));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.kill();
      await server.exited;
    }
  }
}

/** Both have the image `busybox`. `peerFlags` are dockerd's. */
export async function withSides(
  use: (sides: Record<"peer" | "ours", Side>, client: Host) => Promise<void>,
  peerFlags: readonly string[] = [],
): Promise<void> {
  await using hosts = await makeHosts({ lan: ["peer", "ours", "client"] });
  using theirRoot = new VolatileFolder();
  using ourRoot = new VolatileFolder();
  await using dockerd = await theirRoot.holds(new Dockerd(hosts.host.peer.under)).start(...peerFlags);
  await using daemon = await ourRoot.holds(new Daemon()).start({ under: hosts.host.ours.under });
  await using peer = new Side(hosts.host.peer, dockerd);
  await using ours = new Side(hosts.host.ours, daemon);
  for (const engine of [dockerd, daemon]) loadBusybox(engine);
  await use({ peer, ours }, hosts.host.client);
}
