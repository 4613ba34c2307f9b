/**
 * Which base URLs a registry's name stands for, and how far each is trusted.
 * HTTPS with verified certificates, except on loopback and where the administrator said otherwise.
 */

import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { send } from "./transport.ts";

export interface Endpoint {
  /** Without a slash at its end: `https://registry-1.docker.io`. */
  url: string;
  /** Any certificate will do. */
  skipVerify: boolean;
  /** Also a mirror: its failures are not the last word. */
  mirror: boolean;
}

export interface RegistryOptions {
  /** Host names, addresses or CIDRs of `--insecure-registry`. */
  insecure?: readonly string[];
  /** Base URLs of `--registry-mirror`, for Docker Hub only. */
  mirrors?: readonly string[];
}

const HUB = "https://registry-1.docker.io";

/** The endpoints to try for pulls, in order. */
export async function endpointsOf(domain: string, options: RegistryOptions): Promise<Endpoint[]> {
  if (domain === "docker.io") {
    const mirrors = await Promise.all(
      (options.mirrors ?? []).map(async (mirror) => {
        const { host } = new URL(mirror);
        return { url: mirror.replace(/\/+$/, ""), skipVerify: await isInsecure(host, options), mirror: true };
      }),
    );
    return [...mirrors, { url: HUB, skipVerify: await isInsecure("docker.io", options), mirror: false }];
  }
  if (!(await isInsecure(domain, options)))
    return [{ url: `https://${domain}`, skipVerify: false, mirror: false }];
  const scheme = (await speaksTls(domain)) ? "https" : "http";
  return [{ url: `${scheme}://${domain}`, skipVerify: true, mirror: false }];
}

const PROBE_MILLISECONDS = 5000;

/** Where HTTP is allowed, HTTPS is still preferred: any answer over TLS, whatever its status, decides. */
async function speaksTls(domain: string): Promise<boolean> {
  try {
    const url = `https://${domain}/v2/`;
    const init = { method: "HEAD", signal: AbortSignal.timeout(PROBE_MILLISECONDS) };
    const response = await send(url, init, { from: url, tls: { rejectUnauthorized: false } });
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}

export async function isInsecure(domain: string, { insecure = [] }: RegistryOptions): Promise<boolean> {
  const host = domain.replace(/:[0-9]+$/, "").replace(/^\[(.*)\]$/, "$1");
  if (host === "localhost" || insecure.includes(domain) || insecure.includes(host)) return true;
  const ranges = new BlockList();
  ranges.addSubnet("127.0.0.0", 8, "ipv4");
  ranges.addAddress("::1", "ipv6");
  let named = false;
  for (const range of insecure) {
    const [address = "", bits] = range.split("/");
    if (bits === undefined || isIP(address) === 0) continue;
    ranges.addSubnet(address, Number(bits), isIP(address) === 6 ? "ipv6" : "ipv4");
    named = true;
  }
  const inside = (address: string) => ranges.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  if (isIP(host) !== 0) return inside(host);
  // A name is looked up only where a range could cover it, never to call it loopback: DNS is not to be trusted so far.
  if (!named) return false;
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.some(({ address }) => isIP(address) !== 0 && !address.startsWith("127.") && inside(address));
}
