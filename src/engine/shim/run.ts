/**
 * The shim's life: one for each exec root, until it has neither processes nor a daemon.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tryLock } from "../../ffi/poll.ts";
import { buildId } from "./build.ts";
import type { Compilers } from "./compile.ts";
import { requireShortExecRoot } from "./exec-root.ts";
import { leaveService } from "./own-cgroup.ts";
import { ShimServer } from "./server.ts";
import { Supervisor } from "./supervisor.ts";

export interface ShimOptions {
  execRoot: string;
  compilers: Compilers;
  /** Stays when there is nothing to do: a service of systemd's. */
  stay: boolean;
}

/** A predecessor that is about to end may hold the lock for a moment. */
const LOCK_PATIENCE_MS = 3000;
/** With nothing to do, how long a daemon has to come (back). */
const IDLE_MS = 3000;

export class AnotherShim extends Error {
  constructor(execRoot: string) {
    super(`another shim is running for ${execRoot}`);
  }
}

/** Serves until the process ends. Throws {@link AnotherShim} when there is one already. */
export async function runShim({ execRoot, compilers, stay }: ShimOptions): Promise<void> {
  const build = buildId();
  process.umask(0o077);
  requireShortExecRoot(execRoot);
  mkdirSync(execRoot, { recursive: true, mode: 0o700 });
  // A service waits for its turn: its manager would only start it again.
  const lock = await takeLock(execRoot, stay ? Number.POSITIVE_INFINITY : LOCK_PATIENCE_MS);
  const path = join(execRoot, "shim.sock");
  const cgroup = stay ? undefined : leaveService(execRoot);
  surviveMemoryShortage();
  let ending = false;
  const leave = async (): Promise<void> => {
    if (ending) return;
    ending = true;
    await supervisor.settle();
    server.close();
    supervisor.abandon();
    if (supervisor.idle) cgroup?.leave();
    rmSync(path, { force: true });
    closeSync(lock);
    process.exit(0);
  };
  const supervisor = new Supervisor(execRoot, compilers, {
    exit: (exit) => server.tell({ event: "exit", exit }),
    oom: ({ id, time }) => server.tell({ event: "oom", id, time }),
    warning: (message) => {
      console.error(`ts-shim: ${message}`);
      server.tell({ event: "warning", message });
    },
  });
  const server = new ShimServer(supervisor, supervisor.networks, {
    path,
    build,
    stays: stay,
    onHandOver: leave,
  });
  process.on("SIGTERM", leave);
  process.on("SIGINT", leave);
  process.on("SIGHUP", () => {});
  await supervisor.start();
  rmSync(path, { force: true });
  server.listen();
  supervisor.orphans.awaitDaemon();
  if (stay) return;
  let idleSince = performance.now();
  setInterval(() => {
    if (server.clients > 0 || !supervisor.idle) idleSince = performance.now();
    else if (performance.now() - idleSince > IDLE_MS) void supervisor.networks.release().then(leave);
  }, 1000);
}

/** As dockerd's. Keepers inherit it; containers have their own. */
function surviveMemoryShortage(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", "-500");
  } catch {
    // Not root of the machine: then it takes its chances.
  }
}

/** The fd of the lock, which nobody inherits; it is free when this process is gone, however that comes. */
async function takeLock(execRoot: string, patienceMs: number): Promise<number> {
  const fd = openSync(join(execRoot, "shim.lock"), "a", 0o600);
  const deadline = performance.now() + patienceMs;
  while (!tryLock(fd)) {
    if (performance.now() > deadline) {
      closeSync(fd);
      throw new AnotherShim(execRoot);
    }
    await Bun.sleep(20);
  }
  return fd;
}
