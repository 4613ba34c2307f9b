/**
 * The one way out to a registry, its blobs' hosts and its issuers of tokens. Where to go is often a stranger's word
 * (redirects, places of uploads, next pages, realms), and fetch also reads file:, data:, blob: and s3: URLs.
 */
import { RegistryError } from "./errors.ts";
import type { TlsFiles } from "./tls.ts";

export interface Way {
  /** Who sent us there: the registry, or the hop before. */
  from: string;
  tls?: TlsFiles | undefined;
  /** From HTTPS to HTTP, too. */
  insecure?: boolean;
}

/**
 * Does not follow redirects: each hop is a request of its own.
 * @throws RegistryError invalid for what is no HTTP, or less safe than who named it; else what fetch throws
 */
export async function send(url: string, init: RequestInit, { from, tls, insecure }: Way): Promise<Response> {
  const { protocol, origin } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") {
    const { method = "GET" } = init;
    const verb = method[0] + method.slice(1).toLowerCase();
    const scheme = JSON.stringify(protocol.slice(0, -1));
    throw new RegistryError(
      "invalid",
      `${verb} ${JSON.stringify(url)}: unsupported protocol scheme ${scheme}`,
    );
  }
  if (protocol === "http:" && !insecure && new URL(from).protocol === "https:") {
    throw new RegistryError("invalid", `refusing to go from https to ${origin}`);
  }
  return await fetch(url, {
    ...init,
    redirect: "manual",
    decompress: false,
    ...(tls && { tls }),
  } as RequestInit);
}

/** The URL that a header of an answer from `base` names. @throws RegistryError invalid */
export function follow(header: "Location" | "Link", value: string, base: string): string {
  const url = URL.parse(value, base);
  if (url !== null) return url.href;
  throw new RegistryError("invalid", `failed to parse ${header} header ${JSON.stringify(value)}`);
}
