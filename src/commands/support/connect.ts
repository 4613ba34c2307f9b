/** Finds the daemon: `-H`, `DOCKER_HOST`, the docker context, then the socket that everyone expects. */
import { ApiClient, type Endpoint } from "../../engine/api/client.ts";
import { scanValue } from "../../engine/json/syntax.ts";
import { VERSION } from "../../engine/version.ts";
import { fs, hasContent } from "./builtin.ts";
import type { GlobalOptions } from "./command.ts";
import { Failure, reasonOf } from "./failure.ts";
import type { ParsedFlags } from "./flags.ts";
import { err } from "./output.ts";

export const DEFAULT_HOST = "unix:///var/run/docker.sock";

export interface ConfigFile {
  currentContext?: string;
  auths?: Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  HttpHeaders?: Record<string, string>;
  detachKeys?: string;
  psFormat?: string;
  statsFormat?: string;
  imagesFormat?: string;
  networksFormat?: string;
  proxies?: Record<string, Record<string, string>>;
}

export const configFolder = (options: GlobalOptions): string =>
  options.config ?? process.env.DOCKER_CONFIG ?? `${process.env.HOME ?? "/root"}/.docker`;

let warned = false;
function warnOnce(text: string): void {
  if (!warned) err(`${text}\n`);
  warned = true;
}

export function readConfig(options: GlobalOptions): ConfigFile {
  const path = `${configFolder(options)}/config.json`;
  if (!hasContent(path)) return {};
  let text: string;
  try {
    text = fs().readFileSync(path, "utf8");
  } catch (error) {
    warnOnce(`WARNING: Error loading config file: open ${path}: ${reasonOf(error)}`);
    return {};
  }
  try {
    return JSON.parse(text) as ConfigFile;
  } catch {
    const scanned = scanValue(text);
    const reason = scanned.ok ? "invalid character after top-level value" : scanned.message;
    warnOnce(`WARNING: Error parsing config file (${path}): ${reason}`);
    return {};
  }
}

/** The keys that leave a terminal: the flag's, else the configured ones; empty means the daemon's default. */
export const detachKeysOf = (flags: ParsedFlags, options: GlobalOptions): string =>
  flags.string("detach-keys") || (readConfig(options).detachKeys ?? "");

interface Target {
  host: string;
  tls?: NonNullable<Endpoint["tls"]>;
}

const pem = (path: string): string | undefined =>
  fs().existsSync(path) ? fs().readFileSync(path, "utf8") : undefined;

function readPem(path: string): string {
  try {
    return fs().readFileSync(path, "utf8");
  } catch (error) {
    throw new Failure(
      `Failed to initialize: unable to resolve docker endpoint: open ${path}: ${reasonOf(error)}`,
    );
  }
}

/** TLS as the flags and the environment ask for it. */
function flagTls(options: GlobalOptions): Target["tls"] {
  const verify = options.tlsVerify ?? (process.env.DOCKER_TLS_VERIFY ?? "") !== "";
  if (!verify && !options.tls && options.tlsVerify === undefined) return undefined;
  const folder = process.env.DOCKER_CERT_PATH || configFolder(options);
  // Read also where it is not used for verifying, as Docker's client does.
  const ca = readPem(options.tlsCaCert ?? `${folder}/ca.pem`);
  const cert = options.tlsCert ? readPem(options.tlsCert) : pem(`${folder}/cert.pem`);
  const key = options.tlsKey ? readPem(options.tlsKey) : pem(`${folder}/key.pem`);
  return { verify, ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

/** The name of the context in use; `default` stands for the flags and the environment. */
export function contextName(options: GlobalOptions): string {
  if (options.context && options.hosts.length > 0)
    throw new Failure("conflicting options: cannot specify both --host and --context");
  if (options.context) return options.context;
  if (options.hosts.length > 0 || process.env.DOCKER_HOST) return "default";
  return process.env.DOCKER_CONTEXT || readConfig(options).currentContext || "default";
}

function contextTarget(options: GlobalOptions, name: string): Target {
  const id = new Bun.CryptoHasher("sha256").update(name).digest("hex");
  const root = `${configFolder(options)}/contexts`;
  const path = `${root}/meta/${id}/meta.json`;
  if (!fs().existsSync(path)) {
    throw new Failure(
      `Failed to initialize: unable to resolve docker endpoint: context ${JSON.stringify(name)}: context not found: open ${path}: no such file or directory`,
    );
  }
  const meta = JSON.parse(fs().readFileSync(path, "utf8")) as {
    Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } };
  };
  const endpoint = meta.Endpoints?.docker ?? {};
  const tls = `${root}/tls/${id}/docker`;
  const ca = pem(`${tls}/ca.pem`);
  const cert = pem(`${tls}/cert.pem`);
  const key = pem(`${tls}/key.pem`);
  const host = endpoint.Host ?? DEFAULT_HOST;
  if (!ca && !cert && !endpoint.SkipTLSVerify) return { host };
  return {
    host,
    tls: {
      verify: !endpoint.SkipTLSVerify,
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
    },
  };
}

export function resolveTarget(options: GlobalOptions): Target {
  if (options.hosts.length > 1)
    throw new Failure("Failed to initialize: unable to resolve docker endpoint: Specify only one -H");
  const name = contextName(options);
  if (name !== "default") return contextTarget(options, name);
  const tls = flagTls(options);
  const given = options.hosts.length > 0 ? options.hosts[0] : process.env.DOCKER_HOST;
  const host = given || (tls ? "tcp://localhost:2376" : DEFAULT_HOST);
  return tls ? { host, tls } : { host };
}

const initializing = (reason: string): Failure => new Failure(`Failed to initialize: ${reason}`);

/** Makes an address of what the user wrote: `tcp://:2375`, `unix://`, `localhost:2375`. */
export function parseHost(text: string, tls: Target["tls"]): Endpoint {
  const host = text.trim();
  const at = host.indexOf("://");
  const scheme = at < 0 ? "tcp" : host.slice(0, at);
  const rest = at < 0 ? host : host.slice(at + 3);
  if (scheme === "unix") {
    const unix = rest || "/var/run/docker.sock";
    return { display: `unix://${unix}`, unix };
  }
  if (scheme === "ssh") return refuseSsh(host);
  if (scheme === "npipe") throw initializing("protocol not available");
  if (scheme === "fd") throw initializing(`unable to parse docker host \`${host}\``);
  const parts = /^(\[[^\]]*\]|[^:/]*)(?::(\d+))?(\/.*)?$/.exec(rest);
  if (scheme !== "tcp" || !parts)
    throw initializing(`unable to resolve docker endpoint: invalid bind address format: ${host}`);
  const name = parts[1] || "localhost";
  const port = Number(parts[2] ?? (tls ? 2376 : 2375));
  return {
    display: `tcp://${name}:${port}${parts[3] ?? ""}`,
    host: name.replace(/^\[|\]$/g, ""),
    port,
    ...(tls ? { tls } : {}),
  };
}

/** Mistakes in the address are found first, in the words of Docker's client. */
function refuseSsh(host: string): never {
  const invalid = (reason: string): never => {
    throw initializing(`ssh host connection is not valid: invalid SSH URL: ${reason}`);
  };
  const parts = /^ssh:\/\/(?:([^@/]*)@)?([^/?#]*)([^?#]*)(.*)$/.exec(host);
  if (parts?.[1]?.includes(":")) invalid("plain-text password is not supported");
  if (!parts?.[2]) invalid("hostname is empty");
  if (parts?.[4]?.startsWith("?")) invalid("query parameters are not allowed");
  if (parts?.[4]?.startsWith("#")) invalid("fragments are not allowed");
  throw initializing(
    `ssh is no way to reach the daemon with this version yet: forward its socket (ssh -L /tmp/daemon.sock:/var/run/docker.sock …) and use -H unix:///tmp/daemon.sock, instead of ${host}`,
  );
}

export function connect(options: GlobalOptions): ApiClient {
  const target = resolveTarget(options);
  const { HttpHeaders: headers } = readConfig(options);
  const version = process.env.DOCKER_API_VERSION;
  return new ApiClient(parseHost(target.host, target.tls), {
    userAgent: `tsd/${VERSION} (${process.platform})`,
    ...(headers ? { headers } : {}),
    ...(version ? { version: version.replace(/^v/, "") } : {}),
  });
}
