/** The client's configuration file as a store of passwords: its `auths`. */
import { fs, path } from "../builtin.ts";
import type { GlobalOptions } from "../command.ts";
import { type ConfigFile, configFolder, readConfig } from "../connect.ts";
import { err } from "../output.ts";
import type { Account } from "./account.ts";

type Entry = NonNullable<ConfigFile["auths"]>[string];

/** `registry.test:5000` of `https://registry.test:5000/v1/`. */
export function hostnameOf(address: string): string {
  const scheme = address.indexOf("://");
  return (scheme < 0 ? address : address.slice(scheme + 3)).split("/", 1)[0] as string;
}

function accountOf(entry: Entry): Account {
  const token = entry.identitytoken ? { identitytoken: entry.identitytoken } : {};
  if (!entry.auth) return { username: entry.username ?? "", password: entry.password ?? "", ...token };
  const text = Buffer.from(entry.auth, "base64").toString();
  const colon = text.indexOf(":");
  if (colon < 1) return token;
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, ""), ...token };
}

function entryOf({ username = "", password = "", identitytoken }: Account): Entry {
  return {
    ...(username || password ? { auth: Buffer.from(`${username}:${password}`).toString("base64") } : {}),
    ...(identitytoken ? { identitytoken } : {}),
  };
}

/** What is kept for a registry; also where an older client wrote it down by URL. */
export function findAccount(config: ConfigFile, server: string): Account | undefined {
  const auths = config.auths ?? {};
  const exact = Object.hasOwn(auths, server) ? server : undefined;
  const name = exact ?? Object.keys(auths).find((url) => hostnameOf(url) === server);
  return name === undefined ? undefined : accountOf(auths[name] as Entry);
}

/** Keeps an account, in a file that nobody else may read; an empty one says that a helper has it. */
export function keepAccount(
  options: GlobalOptions,
  config: ConfigFile,
  server: string,
  account: Account,
): void {
  const before = config.auths && Object.hasOwn(config.auths, server) ? config.auths[server] : undefined;
  const entry = entryOf(account);
  if (before && Bun.deepEquals(entryOf(accountOf(before)), entry)) return;
  save(options, config, { ...config.auths, [server]: entry });
  if (!account.password) return;
  err(
    `\nWARNING! Your credentials are stored unencrypted in '${configFolder(options)}/config.json'.\n` +
      "Configure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n",
  );
}

/** Of several names each is written by itself, so the file is read anew. */
export function forgetAccount(options: GlobalOptions, server: string): void {
  const config = readConfig(options);
  if (!config.auths || !Object.hasOwn(config.auths, server)) return;
  const { [server]: _, ...auths } = config.auths;
  save(options, config, auths);
}

/** Whole or not at all; a link stays one, and who may read the file is as it was. */
function save(options: GlobalOptions, config: ConfigFile, auths: Record<string, Entry>): void {
  const folder = configFolder(options);
  fs().mkdirSync(folder, { recursive: true, mode: 0o700 });
  const target = followLinks(`${folder}/config.json`);
  const sorted = Object.fromEntries(Object.entries(auths).sort(([a], [b]) => (a < b ? -1 : 1)));
  const { auths: _, ...others } = config;
  const text = JSON.stringify({ auths: sorted, ...others }, null, "\t");
  const temporary = `${target}${process.pid}.new`;
  try {
    fs().writeFileSync(temporary, text, {
      mode: 0o600,
      flag: "wx",
    });
    const before = fs().statSync(target, { throwIfNoEntry: false });
    if (before?.isFile()) fs().chmodSync(temporary, before.mode & 0o777);
    if (before && before.uid > 0 && before.gid > 0) fs().chownSync(temporary, before.uid, before.gid);
    fs().renameSync(temporary, target);
  } catch (error) {
    fs().rmSync(temporary, { force: true });
    throw error;
  }
}

/** Where a file is, or would be if what a link names does not exist yet. */
function followLinks(file: string): string {
  try {
    return fs().realpathSync(file);
  } catch {
    const link = fs().lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink();
    return link ? path().resolve(path().dirname(file), fs().readlinkSync(file)) : file;
  }
}
