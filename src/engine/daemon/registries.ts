/** What may be said about registries on the daemon's command line. */

/** A mirror's base URL. */
export function checkMirror(value: string): string | undefined {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//.exec(value)?.[1] ?? "";
    return `invalid mirror: unsupported scheme ${JSON.stringify(scheme)} in ${JSON.stringify(value)}`;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return `invalid mirror: unsupported scheme ${JSON.stringify(url.protocol.slice(0, -1))} in ${JSON.stringify(value)}`;
  }
  if (url.search || url.hash)
    return `invalid mirror: query or fragment at end of the URI ${JSON.stringify(value)}`;
  if (url.username || url.password)
    return `invalid mirror: username/password not allowed in URI ${JSON.stringify(url.href)}`;
  return undefined;
}

/** A host, host:port or CIDR. */
export function checkInsecureRegistry(value: string): string | undefined {
  const host = withoutScheme(value);
  if (host.startsWith("-") || host.endsWith("-")) {
    return `invalid index name (${value}). Cannot begin or end with a hyphen`;
  }
  if (host === "" || host.includes("://") || /\s/.test(host))
    return `insecure registry ${value} is not valid: invalid host ${JSON.stringify(host)}`;
  return undefined;
}

/** People write URLs where hosts are meant. */
export const withoutScheme = (value: string): string => value.replace(/^https?:\/\//i, "");
