/** Accounts at registries, wherever they are kept: `login` writes them, `logout` forgets them, `pull` and `push` use them. */
import type { GlobalOptions } from "../command.ts";
import { readConfig } from "../connect.ts";
import { type Account, HUB } from "./account.ts";
import { findAccount, forgetAccount, keepAccount } from "./config-auths.ts";
import { eraseAccount, getAccount, helperFor, storeAccount, storeOf } from "./helper.ts";

/** Undefined when nobody is known there. @throws Error when a helper fails */
export async function load(options: GlobalOptions, server: string): Promise<Account | undefined> {
  const config = readConfig(options);
  const helper = helperFor(config, server);
  return helper ? getAccount(helper, server) : findAccount(config, server);
}

export async function store(options: GlobalOptions, server: string, account: Account): Promise<void> {
  const config = readConfig(options);
  const helper = helperFor(config, server);
  if (helper) await storeAccount(helper, server, account);
  const credsStore = storeOf(config);
  keepAccount(options, { ...config, ...(credsStore ? { credsStore } : {}) }, server, helper ? {} : account);
}

export async function erase(options: GlobalOptions, server: string): Promise<void> {
  const helper = helperFor(readConfig(options), server);
  if (helper) await eraseAccount(helper, server);
  forgetAccount(options, server);
}

/** `X-Registry-Auth` for a registry, as images name it; undefined when nobody is known there. */
export async function registryAuth(options: GlobalOptions, registry: string): Promise<string | undefined> {
  const server = registry === "docker.io" || registry === "index.docker.io" ? HUB : registry;
  // Without its helper the registry is asked anonymously, which many allow.
  const account = await load(options, server).catch(() => undefined);
  if (!account) return undefined;
  return Buffer.from(JSON.stringify({ ...account, serveraddress: server })).toString("base64url");
}
