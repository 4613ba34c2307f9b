/** A container's /etc/hosts. @source moby, daemon/libnetwork/{etchosts,sandbox_dns_unix.go} */
import { readFileSync, writeFileSync } from "node:fs";

export interface HostsEntry {
  address: string;
  /** Apart by spaces. */
  names: string;
}

const LOCALHOST_4: HostsEntry[] = [{ address: "127.0.0.1", names: "localhost" }];
const LOCALHOST_6: HostsEntry[] = [
  { address: "::1", names: "localhost ip6-localhost ip6-loopback" },
  { address: "fe00::", names: "ip6-localnet" },
  { address: "ff00::", names: "ip6-mcastprefix" },
  { address: "ff02::1", names: "ip6-allnodes" },
  { address: "ff02::2", names: "ip6-allrouters" },
];

/** Without `ipv6`, for a container that has switched it off, nothing of it. */
export function hostsText(entries: readonly HostsEntry[], ipv6 = true): string {
  const all = [...LOCALHOST_4, ...LOCALHOST_6, ...entries];
  return (ipv6 ? all : all.filter(({ address }) => !address.includes(":"))).map(line).join("");
}

const line = ({ address, names }: HostsEntry): string => `${address}\t${names}\n`;

/** A container's names for itself: the full one, and the first part of it. */
export function ownNames(hostname: string, domainname: string): string {
  const full = domainname ? `${hostname}.${domainname}` : hostname;
  const dot = full.indexOf(".");
  return dot < 0 ? full : `${full} ${full.slice(0, dot)}`;
}

/** With lines at the end; what somebody wrote in there stays. */
export const withEntries = (text: string, entries: readonly HostsEntry[]): string =>
  text + entries.map(line).join("");

/** Without exactly these lines. */
export function withoutEntries(text: string, entries: readonly HostsEntry[]): string {
  const gone = new Set(entries.map(line));
  return text
    .split(/(?<=\n)/)
    .filter((one) => !gone.has(one))
    .join("");
}

/** Without the lines that have the name. */
export const withoutName = (text: string, name: string): string =>
  text
    .split(/(?<=\n)/)
    .filter((one) => !one.split(/\s+/).slice(1).includes(name))
    .join("");

/** In place: the file is bound into the container, where another of the same name would not be seen. */
export function rewrite(path: string, change: (text: string) => string): void {
  const text = readFileSync(path, "utf8");
  const changed = change(text);
  if (changed !== text) writeFileSync(path, changed);
}

/** A name's address is another now: of a linked container that was restarted. */
export function withAddress(text: string, alias: string, address: string): string {
  return text
    .split("\n")
    .map((one) => {
      const [, ...names] = one.split(/\s+/);
      if (!names.includes(alias)) return one;
      const old = one.split(/\s+/, 1)[0]!;
      return old.includes(":") === address.includes(":") ? address + one.slice(old.length) : one;
    })
    .join("\n");
}
