/** Finds the daemon: `-H`, `DOCKER_HOST`, the docker context, then the socket that everyone expects. */
import { existsSync, readFileSync } from "node:fs";
import { ApiClient, type Endpoint } from "../../engine/api/client.ts";
import { VERSION } from "../../version.ts";
import type { GlobalOptions } from "./command.ts";
import { Failure } from "./failure.ts";

export const DEFAULT_HOST = "unix:///var/run/docker.sock";

export interface ConfigFile {
  currentContext?: string;
  auths?: Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  HttpHeaders?: Record<string, string>;
  detachKeys?: string;
  psFormat?: string;
  imagesFormat?: string;
  proxies?: Record<string, Record<string, string>>;
}

export const configFolder = (options: GlobalOptions): string =>
  options.config ?? process.env.DOCKER_CONFIG ?? `${process.env.HOME ?? "/root"}/.docker`;

export function readConfig(options: GlobalOptions): ConfigFile {
  const path = `${configFolder(options)}/config.json`;
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(readFileSync(path, "utf8")) as ConfigFile;
  } catch (error) {
    console.error(`WARNING: Error loading config file: ${path}: ${(error as Error).message}`);
    return {};
  }
}

interface Target {
  host: string;
  tls?: NonNullable<Endpoint["tls"]>;
}

const pem = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, "utf8") : undefined);

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw new Failure(
      `Failed to initialize: unable to resolve docker endpoint: open ${path}: no such file or directory`,
    );
  }
}

/** TLS as the flags and the environment ask for it. */
function flagTls(options: GlobalOptions): Target["tls"] {
  const verify = options.tlsVerify ?? (process.env.DOCKER_TLS_VERIFY ?? "") !== "";
  if (!verify && !options.tls && options.tlsVerify === undefined) return undefined;
  const folder = process.env.DOCKER_CERT_PATH || configFolder(options);
  const ca = verify ? readPem(options.tlsCaCert ?? `${folder}/ca.pem`) : undefined;
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
  if (!existsSync(path)) {
    throw new Failure(
      `Failed to initialize: unable to resolve docker endpoint: context ${JSON.stringify(name)}: context not found: open ${path}: no such file or directory`,
    );
  }
  const meta = JSON.parse(readFileSync(path, "utf8")) as {
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
  const host = options.hosts[0] || process.env.DOCKER_HOST || (tls ? "tcp://localhost:2376" : DEFAULT_HOST);
  return tls ? { host, tls } : { host };
}

/** Makes an address of what the user wrote: `tcp://:2375`, `unix://`, `localhost:2375`. */
export function parseHost(text: string, tls: Target["tls"]): Endpoint {
  const invalid = (): never => {
    throw new Failure(
      `Failed to initialize: unable to resolve docker endpoint: invalid bind address format: ${text}`,
    );
  };
  const host = text.trim();
  const at = host.indexOf("://");
  const scheme = at < 0 ? "tcp" : host.slice(0, at);
  const rest = at < 0 ? host : host.slice(at + 3);
  if (scheme === "unix") {
    const unix = rest || "/var/run/docker.sock";
    return { display: `unix://${unix}`, unix };
  }
  if (scheme === "ssh")
    throw new Failure(`ssh is not a way to reach the daemon with this program yet: ${host}`);
  if (scheme === "npipe" || scheme === "fd") throw new Failure(`protocol not available`);
  if (scheme !== "tcp" && scheme !== "http" && scheme !== "https") return invalid();
  const parts = /^(\[[^\]]*\]|[^:/]*)(?::(\d+))?(?:\/.*)?$/.exec(rest);
  if (!parts) return invalid();
  const name = (parts[1] as string).replace(/^\[|\]$/g, "") || "127.0.0.1";
  const secure = tls ?? (scheme === "https" ? { verify: true } : undefined);
  const port = Number(parts[2] ?? (secure ? 2376 : 2375));
  return { display: at < 0 ? `tcp://${host}` : host, host: name, port, ...(secure ? { tls: secure } : {}) };
}

export function connect(options: GlobalOptions): ApiClient {
  const target = resolveTarget(options);
  const version = process.env.DOCKER_API_VERSION;
  return new ApiClient(parseHost(target.host, target.tls), {
    userAgent: `tsd/${VERSION} (${process.platform})`,
    ...(version ? { version: version.replace(/^v/, "") } : {}),
  });
}
