/** Which certificates are believed, and shown, where. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";

const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const CERTS_D = ["/etc/docker/certs.d", "/etc/tsd/certs.d"];

export interface TlsFiles {
  rejectUnauthorized?: boolean;
  ca?: string[];
  cert?: string;
  key?: string;
}

/**
 * The host's own authorities, plus `certs.d/HOST:PORT/*.crt` and its client certificate `*.cert` with `*.key`, where
 * Docker looks for them.
 */
export function tlsOf(
  url: string,
  skipVerify: boolean,
  folders: readonly string[] = CERTS_D,
): TlsFiles | undefined {
  const { protocol, host } = new URL(url);
  if (protocol !== "https:") return undefined;
  const files: TlsFiles = skipVerify ? { rejectUnauthorized: false } : {};
  const bundle = BUNDLES.find((path) => existsSync(path));
  if (!skipVerify) files.ca = [...rootCertificates, ...(bundle ? [readFileSync(bundle, "utf8")] : [])];
  for (const folder of folders) {
    const own = join(folder, host);
    if (!existsSync(own)) continue;
    for (const name of readdirSync(own)) {
      const path = join(own, name);
      if (name.endsWith(".crt")) files.ca = [...(files.ca ?? rootCertificates), readFileSync(path, "utf8")];
      if (name.endsWith(".cert")) {
        files.cert = readFileSync(path, "utf8");
        files.key = readFileSync(path.replace(/\.cert$/, ".key"), "utf8");
      }
    }
  }
  return files;
}
