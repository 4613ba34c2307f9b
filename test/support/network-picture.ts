/** All that a daemon's networks are on a host, at one moment: two that are equal mean that nothing was left or lost. */
import { Database } from "bun:sqlite";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "./hosts.ts";

export type NetworkPicture = Record<
  | "links"
  | "addresses"
  | "routes"
  | "rules"
  | "firewall"
  | "mounts"
  | "namespaces"
  | "names"
  | "sockets"
  | "rows",
  string[]
>;

type Row = Record<string, unknown>;

/** Without timers of bridges, which run on, and what the kernel takes over from a bridge's members. */
const still = (value: unknown): string =>
  JSON.stringify(value, (key, inner) => (/timer|^operstate$|^flags$|^tso_max/.test(key) ? undefined : inner));

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

/** Elements of sets and maps come in any order. */
const pieces = (ruleset: string): string[] =>
  ruleset
    .split(/[,{}\n]/)
    .map((piece) => piece.trim())
    .filter(Boolean)
    .sort();

function rows(database: string): string[] {
  using db = new Database(database, { readonly: true });
  return ["networks", "endpoints", "sandboxes"].flatMap((table) =>
    (db.query(`SELECT * FROM ${table} ORDER BY id`).all() as Row[]).map((row) => `${table} ${still(row)}`),
  );
}

/** `folder`: the daemon's, with both its roots. */
export async function takePicture(host: Host, folder: string): Promise<NetworkPicture> {
  const [links, addresses, routes4, routes6, rules, firewall, sockets] = await Promise.all([
    host.ip<Row[]>("link"),
    host.ip<Row[]>("addr"),
    host.ip<Row[]>("route", "show", "table", "all"),
    host.ip<Row[]>("-6", "route", "show", "table", "all"),
    host.ip<Row[]>("rule"),
    host.ok("nft", "-s", "list", "ruleset"),
    host.ok("ss", "-Hlntu"),
  ]);
  return {
    links: links.map(still),
    addresses: addresses.map(
      ({ ifname, addr_info }) =>
        `${ifname} ${(addr_info as Row[]).map(({ local, prefixlen }) => `${local}/${prefixlen}`).join(" ")}`,
    ),
    routes: [...routes4, ...routes6].map(({ dst, dev, type }) => `${type} ${dst} ${dev}`).sort(),
    rules: rules.map(still),
    firewall: pieces(firewall),
    mounts: readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(`${folder}/`))
      .map((line) => line.split(" ").slice(4).join(" "))
      .sort(),
    namespaces: list(join(folder, "exec/netns")),
    names: list(join(folder, "exec/n")),
    sockets: sockets
      .split("\n")
      .map((line) =>
        line
          .trim()
          .split(/\s+/)
          .slice(0, 1)
          .concat(line.trim().split(/\s+/)[4] ?? "")
          .join(" "),
      )
      .sort(),
    rows: rows(join(folder, "data/tsd.db")),
  };
}

/** What is in one and not in the other. */
export function changes(before: NetworkPicture, after: NetworkPicture): string[] {
  return (Object.keys(before) as (keyof NetworkPicture)[]).flatMap((kind) => {
    const [old, now] = [before[kind], after[kind]];
    return [
      ...now.filter((each) => !old.includes(each)).map((each) => `more ${kind}: ${each}`),
      ...old.filter((each) => !now.includes(each)).map((each) => `less ${kind}: ${each}`),
    ];
  });
}
