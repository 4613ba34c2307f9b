/** Opens the daemon's listeners: who may connect is decided here. */
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { TLSOptions } from "bun";
import type { ApiServer } from "../api/server.ts";
import { type Address, isLoopback, parseHost } from "./hosts.ts";
import type { Log } from "./log.ts";
import type { DaemonConfig } from "./options.ts";
import type { InheritedSocket } from "./systemd.ts";

export interface Listening {
  server: ApiServer;
  address: Address;
}

export interface ListenOptions {
  config: DaemonConfig;
  /** True when `--tls=false` or `--tlsverify=false` was said. */
  plainTcpMeant: boolean;
  inherited: readonly InheritedSocket[];
  makeServer: () => ApiServer;
  log: Log;
}

/** @throws Error when one of the addresses cannot be had; those already open are closed again */
export async function listenAll(options: ListenOptions): Promise<Listening[]> {
  const { config } = options;
  const hosts = config.hosts.length > 0 ? config.hosts : [options.inherited.length > 0 ? "fd://" : ""];
  const open: Listening[] = [];
  try {
    for (const host of hosts) open.push(...(await listenOn(parseHost(host, config.tls), options)));
    return open;
  } catch (error) {
    for (const { server } of open) server.close();
    throw error;
  }
}

async function listenOn(address: Address, options: ListenOptions): Promise<Listening[]> {
  switch (address.kind) {
    case "unix":
      return [{ server: await listenUnix(address.path, options), address }];
    case "tcp":
      return [{ server: await listenTcp(address, options), address }];
    case "fd":
      return listenInherited(address, options);
  }
}

async function listenUnix(path: string, { config, makeServer, log }: ListenOptions): Promise<ApiServer> {
  await clearStale(path);
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const server = makeServer();
  // Nobody may connect between bind and chmod.
  const umask = process.umask(0o177);
  try {
    server.listen({ unix: path });
  } finally {
    process.umask(umask);
  }
  const gid = groupId(config.group);
  if (gid === undefined) {
    log.warn(
      `could not change group ${path} to ${config.group}: group ${config.group} not found; only root can connect`,
    );
    chmodSync(path, 0o600);
  } else {
    chownSync(path, 0, gid);
    chmodSync(path, 0o660);
  }
  return server;
}

/** Removes the socket of a daemon that is gone. @throws Error when one answers, or the path is no socket */
async function clearStale(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (!there) return;
  if (!there.isSocket()) throw new Error(`can't create unix socket ${path}: it exists and is not a socket`);
  if (await answers(path))
    throw new Error(`can't create unix socket ${path}: another daemon is listening on it`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      settle(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"),
    );
  });
}

/** From /etc/group, or the number itself. */
export function groupId(group: string, file = "/etc/group"): number | undefined {
  if (group === "") return 0;
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const [name, , gid] = line.split(":");
    if (name === group) return Number(gid);
  }
  return /^[0-9]+$/.test(group) ? Number(group) : undefined;
}

async function listenTcp(address: Address & { kind: "tcp" }, options: ListenOptions): Promise<ApiServer> {
  const { config, log, makeServer, plainTcpMeant } = options;
  if (!config.tls) {
    if (!isLoopback(address.host) && !plainTcpMeant) {
      throw new Error(
        `refusing to listen on ${address.text} without TLS: everyone who can reach it would be root on this machine; use --tlsverify, or --tls=false to do it nevertheless`,
      );
    }
    log.warn(
      "[DEPRECATION NOTICE]: API is accessible without encryption; access to it is root access on this machine",
      {
        host: address.text,
      },
    );
  }
  const server = makeServer();
  server.listen({ hostname: address.host, port: address.port }, config.tls ? tlsOptions(config) : undefined);
  return server;
}

/** Of TLS itself Bun takes 1.2 and newer. */
function tlsOptions(config: DaemonConfig): TLSOptions {
  const read = (path: string, what: string) => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new Error(`could not read ${what} ${JSON.stringify(path)}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  };
  return {
    cert: read(config.tlscert, "the certificate"),
    key: read(config.tlskey, "the key"),
    ...(config.tlsverify && {
      ca: read(config.tlscacert, "the CA certificate"),
      requestCert: true,
      rejectUnauthorized: true,
    }),
  };
}

async function listenInherited(
  address: Address & { kind: "fd" },
  { inherited, makeServer }: ListenOptions,
): Promise<Listening[]> {
  const wanted = inherited.filter(
    ({ fd, name }) => address.name === "" || address.name === name || address.name === String(fd),
  );
  if (wanted.length === 0) {
    if (inherited.length === 0) {
      throw new Error("no sockets found via socket activation: make sure the service was started by systemd");
    }
    throw new Error(`failed to find systemd activated sockets matching ${JSON.stringify(address.name)}`);
  }
  const open: Listening[] = [];
  for (const { fd } of wanted) {
    const server = makeServer();
    server.listen({ fd });
    open.push({ server, address });
  }
  return open;
}
