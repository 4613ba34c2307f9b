/** Opens the daemon's listeners: who may connect is decided here. */
import { chmodSync, chownSync, lstatSync, readFileSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { TLSOptions } from "bun";
import { errnoMessage } from "../../ffi/errno.ts";
import { SOCKET_PATH_MAX } from "../../ffi/socket.ts";
import type { ApiServer, ListenAt } from "../api/server.ts";
import { reasonOf } from "../reason.ts";
import { type Address, isLoopback, parseHost } from "./hosts.ts";
import type { Log } from "./log.ts";
import type { DaemonConfig } from "./options.ts";
import type { Rollback } from "./rollback.ts";
import type { InheritedSocket } from "./systemd.ts";

export interface Listening {
  server: ApiServer;
  address: Address;
}

export interface AddressOptions {
  config: DaemonConfig;
  /** True when `--tls=false` or `--tlsverify=false` was said. */
  plainTcpMeant: boolean;
  inherited: readonly InheritedSocket[];
}

export interface ListenOptions extends AddressOptions {
  makeServer: () => ApiServer;
  rollback: Rollback;
  log: Log;
}

/**
 * Where to listen, after all that can be said against it before it is tried.
 * @throws Error
 */
export function addressesOf(options: AddressOptions): Address[] {
  const { config, inherited } = options;
  const hosts = config.hosts.length > 0 ? config.hosts : [inherited.length > 0 ? "fd://" : ""];
  const addresses = hosts.map((host) => parseHost(host, config.tls));
  for (const address of addresses) check(address, options);
  return addresses;
}

function check(address: Address, { config, plainTcpMeant, inherited }: AddressOptions): void {
  switch (address.kind) {
    case "unix":
      checkSocketPath(address.path);
      return;
    case "tcp":
      if (config.tls) tlsOptions(config);
      else if (!isLoopback(address.host) && !plainTcpMeant)
        throw new Error(
          `refusing to listen on ${address.text} without TLS: everyone who can reach it would be root on this machine; use --tlsverify, or --tls=false to do it nevertheless`,
        );
      return;
    case "fd":
      inheritedFor(address, inherited);
  }
}

/** @throws Error when one of the addresses cannot be had; those already open are closed again */
export async function listenAll(addresses: readonly Address[], options: ListenOptions): Promise<Listening[]> {
  const open: Listening[] = [];
  try {
    for (const address of addresses) open.push(...(await listenOn(address, options)));
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

const noSocket = (path: string, why: string, cause?: unknown): Error =>
  new Error(`can't create unix socket ${path}: ${why}`, { cause });

/** The kernel's reason; Bun's message only says where. */
function listen(server: ApiServer, at: ListenAt, tls?: TLSOptions): void {
  try {
    server.listen(at, tls);
  } catch (error) {
    const { errno, message } = error as NodeJS.ErrnoException;
    throw new Error(errno === undefined ? message : errnoMessage(Math.abs(errno)), { cause: error });
  }
}

async function listenUnix(
  path: string,
  { config, makeServer, rollback, log }: ListenOptions,
): Promise<ApiServer> {
  await clearStale(path);
  const server = makeServer();
  // Nobody may connect between bind and chmod.
  const umask = process.umask(0o177);
  try {
    rollback.makeFolder(dirname(path), 0o755);
    listen(server, { unix: path });
  } catch (error) {
    throw noSocket(path, reasonOf(error), error);
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

function checkSocketPath(path: string): void {
  const excess = Buffer.byteLength(path) - SOCKET_PATH_MAX;
  if (excess > 0) throw noSocket(path, `the path is too long by ${excess} bytes`);
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false)
    throw noSocket(path, "it exists and is not a socket");
}

/** Removes the socket of a daemon that is gone. @throws Error when one answers, or the path is no socket */
async function clearStale(path: string): Promise<void> {
  checkSocketPath(path);
  if (!lstatSync(path, { throwIfNoEntry: false })) return;
  if (await answers(path)) throw noSocket(path, "another daemon is listening on it");
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
  const { config, log, makeServer } = options;
  if (!config.tls) {
    log.warn(
      "[DEPRECATION NOTICE]: API is accessible without encryption; access to it is root access on this machine",
      {
        host: address.text,
      },
    );
  }
  const server = makeServer();
  const at = { hostname: address.host, port: address.port };
  try {
    listen(server, at, config.tls ? tlsOptions(config) : undefined);
  } catch (error) {
    throw new Error(`could not listen on ${address.text}: ${(error as Error).message}`, { cause: error });
  }
  return server;
}

/** Of TLS itself Bun takes 1.2 and newer. */
function tlsOptions(config: DaemonConfig): TLSOptions {
  const read = (path: string, what: string) => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new Error(`could not read ${what} ${JSON.stringify(path)}: ${reasonOf(error)}`, {
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

/** @throws Error when there is none */
function inheritedFor(
  address: Address & { kind: "fd" },
  inherited: readonly InheritedSocket[],
): InheritedSocket[] {
  const wanted = inherited.filter(
    ({ fd, name }) => address.name === "" || address.name === name || address.name === String(fd),
  );
  if (wanted.length === 0) {
    if (inherited.length === 0) {
      throw new Error("no sockets found via socket activation: make sure the service was started by systemd");
    }
    throw new Error(`failed to find systemd activated sockets matching ${JSON.stringify(address.name)}`);
  }
  return wanted;
}

async function listenInherited(
  address: Address & { kind: "fd" },
  { inherited, makeServer }: ListenOptions,
): Promise<Listening[]> {
  const open: Listening[] = [];
  for (const { fd } of inheritedFor(address, inherited)) {
    const server = makeServer();
    server.listen({ fd });
    open.push({ server, address });
  }
  return open;
}
