import { readFileSync } from "node:fs";

/** What a registry, or the way to it, answered; `message` is fit for a docker client's eyes. */
export type RegistryErrorKind =
  | "notFound" // no such repository, tag or blob
  | "unauthorized" // who are you?
  | "denied" // not you
  | "unavailable" // no connection, 5xx, 429: worth another try
  | "cancelled"
  | "invalid"; // an answer against the specification, or content that is not what its digest says

export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly kind: RegistryErrorKind;

  constructor(kind: RegistryErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}

interface ErrorBody {
  errors?: { code?: string; message?: string; detail?: unknown }[];
}

/** Turns a failed answer into an error, in the registry's own words where it has any. */
export async function errorOf(response: Response): Promise<RegistryError> {
  const text = (await response.text().catch(() => "")).slice(0, 8192);
  let said: string | undefined;
  try {
    const first = (JSON.parse(text) as ErrorBody).errors?.[0];
    const code = first?.code?.toLowerCase().replaceAll("_", " ");
    if (code) said = first?.message ? `${code}: ${first.message}` : code;
  } catch {
    // Proxies answer in HTML.
  }
  const { status } = response;
  const message = said ?? `unexpected status from registry: ${status} ${response.statusText}`.trim();
  if (status === 401)
    return new RegistryError("unauthorized", said ?? "unauthorized: authentication required");
  if (status === 403)
    return new RegistryError("denied", said ?? "denied: requested access to the resource is denied");
  if (status === 404) {
    // HEAD has no body; what is asked for that way by a name is a manifest.
    const unknown = /\/manifests\/[^/]+$/.test(URL.parse(response.url)?.pathname ?? "");
    return new RegistryError("notFound", said ?? (unknown ? "manifest unknown: manifest unknown" : message));
  }
  if (status === 429)
    return new RegistryError("unavailable", said ?? "toomanyrequests: You have reached your pull rate limit");
  return new RegistryError(status >= 500 ? "unavailable" : "invalid", message);
}

const CODES: Record<string, string> = {
  ConnectionRefused: "connect: connection refused",
  ECONNREFUSED: "connect: connection refused",
  ECONNRESET: "connection reset by peer",
  ConnectionClosed: "EOF",
  ConnectionReset: "connection reset by peer",
  ETIMEDOUT: "i/o timeout",
  ENOTFOUND: "no such host",
  DNSLookupFailed: "no such host",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  SELF_SIGNED_CERT_IN_CHAIN:
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  CERT_HAS_EXPIRED: "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "tls: failed to verify certificate: x509: certificate is not valid for this name",
};

/** A request that got no answer, as Go's net/http would say it: clients and scripts match on these words. */
export function connectionError(method: string, url: string, error: unknown): RegistryError {
  const {
    code = "",
    name = "",
    message = String(error),
  } = error as { code?: string; name?: string; message?: string };
  if (name === "AbortError") return new RegistryError("cancelled", "context canceled", { cause: error });
  const { hostname, port, protocol } = new URL(url);
  const address = `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
  const words = CODES[code] ?? message;
  const where = code === "ConnectionRefused" || code === "ECONNREFUSED" ? `dial tcp ${address}: ` : "";
  const lookup = words === "no such host" ? `dial tcp: lookup ${hostname}${asked()}: ` : where;
  const verb = method[0] + method.slice(1).toLowerCase();
  return new RegistryError("unavailable", `${verb} "${url}": ${lookup}${words}`, { cause: error });
}

/** The rest of an answer did not come. Anything else that went wrong with it is returned as it is. */
export function bodyError(error: unknown): unknown {
  const { code = "", name = "" } = error as { code?: string; name?: string };
  if (name === "AbortError") return new RegistryError("cancelled", "context canceled", { cause: error });
  // Bun says the same of a connection that was closed and of one that was reset.
  if (!["ECONNRESET", "ConnectionClosed", "ConnectionReset"].includes(code)) return error;
  return new RegistryError("unavailable", "failed to copy: unexpected EOF", { cause: error });
}

/** Which name server was asked, as Go says it. */
function asked(): string {
  try {
    const server = /^nameserver\s+(\S+)/m.exec(readFileSync("/etc/resolv.conf", "utf8"))?.[1];
    if (server === undefined) return "";
    return ` on ${server.includes(":") ? `[${server}]` : server}:53`;
  } catch {
    return "";
  }
}
