/** The daemon's life: roots, lock, listeners, engine, ready; then signals until the end. */
import { existsSync, unlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { createApi } from "../api/app.ts";
import { type Api, ApiServer } from "../api/server.ts";
import { Rest } from "../rest.ts";
import { requireShortExecRoot } from "../shim/exec-root.ts";
import { dataPaths } from "../store/paths.ts";
import { VERSION } from "../version.ts";
import { mergeConfigFile } from "./config-file.ts";
import { type OpenEngine, openEngine } from "./engine.ts";
import type { CommandLine } from "./flags.ts";
import { addressesOf, type Listening, listenAll } from "./listen.ts";
import { Lock } from "./lock.ts";
import { type Level, Log } from "./log.ts";
import { checkNetworkOptions } from "./network-options.ts";
import { type DaemonConfig, OPTIONS } from "./options.ts";
import { removePidfile, writePidfile } from "./pidfile.ts";
import { Rollback } from "./rollback.ts";
import { makeRootFolder } from "./root-folder.ts";
import { notify, takeInheritedSockets } from "./systemd.ts";

/** As many interrupts as dockerd takes before it gives up on an orderly end. */
const FORCE_AFTER = 3;

/** The shim and the mounts of namespaces are named by these, whatever folder a process of ours is in. */
const withAbsoluteRoots = (config: DaemonConfig): DaemonConfig => ({
  ...config,
  "data-root": resolve(config["data-root"]),
  "exec-root": resolve(config["exec-root"]),
});

export async function runDaemon(line: CommandLine, options: DaemonConfig): Promise<void> {
  const config = withAbsoluteRoots(options);
  const log = new Log(levelOf(config));
  if (process.getuid?.() !== 0) throw new Error("the daemon needs to be started with root privileges");
  const inherited = takeInheritedSockets();
  const plainTcpMeant = line.given.has("tls") || line.given.has("tlsverify");
  const addresses = addressesOf({ config, plainTcpMeant, inherited });
  const execRoot = config["exec-root"];
  requireShortExecRoot(execRoot);
  checkNetworkOptions(config);
  process.umask(0o022);
  log.info("Starting up");
  const paths = dataPaths(config["data-root"]);
  using locks = new DisposableStack();
  // Before the locks are given back: another daemon may be waiting for them.
  using rollback = new Rollback();
  // Images hold set-user-id programs: nobody but root may reach them through the data root.
  makeRootFolder(rollback, paths.root, 0o710, "data root");
  makeRootFolder(rollback, execRoot, 0o711, "exec root");
  for (const [path, what] of [
    [paths.lock, `the data root ${paths.root}`],
    // Two daemons would take each other's containers from the one shim there.
    [join(execRoot, "daemon.lock"), `the exec root ${execRoot}`],
  ] as const) {
    const lock = locks.use(await Lock.acquire(path, what));
    rollback.add(() => lock.remove());
  }
  writePidfile(rollback, config.pidfile);
  const undo: (() => void)[] = [() => removePidfile(config.pidfile)];
  try {
    const ready = Promise.withResolvers<Api>();
    const rest = new Rest();
    ready.promise.catch(() => {});
    const listening = await listenAll(addresses, {
      config,
      plainTcpMeant,
      inherited,
      makeServer: () => new ApiServer(waitingApi(ready.promise), rest),
      rollback,
      log,
    });
    undo.push(() => closeAll(listening));
    const current = { ...config };
    const engine = await openEngine({ config: current, paths, log });
    rollback.keep();
    ready.resolve(createApi(engine.engine, (failure) => logFailure(log, failure)));
    log.info("Daemon has completed initialization", { version: VERSION });
    for (const { address } of listening)
      log.info(`API listen on ${address.kind === "unix" ? address.path : address.text}`);
    notify("READY=1");
    rest.stir();
    await untilEnd(line, current, log, engine);
    notify("STOPPING=1");
    stopListening(listening);
    if (!current["live-restore"]) {
      await stopContainers(engine, current, log);
      await Promise.all(listening.map(({ server }) => server.quiet()));
    }
    for (const { server } of listening) server.endAllConnections();
    await engine.close();
    log.info("Daemon shutdown complete");
  } finally {
    for (const step of undo.reverse()) step();
  }
}

/** Who connects while the engine still opens waits for it; nobody is turned away. */
function waitingApi(api: Promise<Api>): Api {
  let ready: Api | undefined;
  api.then(
    (value) => {
      ready = value;
    },
    () => {},
  );
  return {
    handle: async (request) => (ready ?? (await api)).handle(request),
    failed: (error, request) => ready?.failed?.(error, request),
    upgrade(request, socket) {
      if (ready) return ready.upgrade(request, socket);
      api.then(
        (value) => {
          if (!value.upgrade(request, socket)) socket.destroy();
        },
        () => socket.destroy(),
      );
      return true;
    },
  };
}

function logFailure(
  log: Log,
  { method, path, status, error }: { method: string; path: string; status: number; error: unknown },
): void {
  const fields = { "error-response": error, method, module: "api", "request-url": path, status };
  const message = `Handler for ${method} ${path} returned error`;
  if (status === 500) log.error(message, fields);
  else log.debug(message, fields);
}

const levelOf = (config: DaemonConfig): Level => (config.debug ? "debug" : (config["log-level"] as Level));

/** Resolves at the signal to end; reloads the configuration at SIGHUP. */
function untilEnd(line: CommandLine, config: DaemonConfig, log: Log, engine: OpenEngine): Promise<void> {
  return new Promise((resolve) => {
    let asked = 0;
    const end = (signal: NodeJS.Signals) => {
      log.info(`Processing signal '${signal === "SIGINT" ? "interrupt" : "terminated"}'`);
      resolve();
      if (++asked < FORCE_AFTER) return;
      log.warn("Forcing shutdown without cleanup");
      process.exit(128 + 2);
    };
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
    process.on("SIGHUP", () => {
      reload(line, config, log);
      engine.reload().catch((error: Error) => log.error(error.message));
    });
    // One request that fails in an unforeseen way must not end all containers' API.
    process.on("uncaughtException", (error) =>
      log.error("unexpected failure", { error: error?.stack ?? error }),
    );
    process.on("unhandledRejection", (error) =>
      log.error("unexpected failure", { error: (error as Error)?.stack ?? error }),
    );
  });
}

/** Takes over what may change while the daemon runs; the services look at the same object. */
function reload(line: CommandLine, config: DaemonConfig, log: Log): void {
  log.info("Got signal to reload configuration", { "config-file": line.configFile });
  try {
    const fresh = mergeConfigFile(line);
    for (const { key, reloads } of OPTIONS) {
      if (!reloads) continue;
      const [now, then] = [config[key], fresh[key]];
      // Services hold the lists themselves.
      if (Array.isArray(now) && Array.isArray(then)) now.splice(0, now.length, ...(then as never[]));
      else Object.assign(config, { [key]: then });
    }
    log.level = levelOf(config);
    log.info("Reloaded configuration");
  } catch (error) {
    log.error((error as Error).message);
  }
}

/** Who is attached or waits sees the end of it, as with dockerd: only new clients are turned away. */
async function stopContainers({ engine }: OpenEngine, config: DaemonConfig, log: Log): Promise<void> {
  log.info("Stopping containers");
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(timeout.resolve, config["shutdown-timeout"] * 1000);
  await Promise.race([engine.containers.shutdown(), timeout.promise]);
  clearTimeout(timer);
}

function stopListening(listening: readonly Listening[]): void {
  for (const { server, address } of listening) {
    server.close();
    // A socket of systemd's stays; it is the next daemon's too.
    if (address.kind === "unix" && existsSync(address.path)) unlinkSync(address.path);
  }
}

function closeAll(listening: readonly Listening[]): void {
  stopListening(listening);
  for (const { server } of listening) server.closeAllConnections();
}
