/**
 * What happens to forwarded packets that no rule decides about: the policy of FORWARD, in each family. What it was before
 * us is remembered on tmpfs, and put back when the last of ours goes; what an administrator has made of it is not ours.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { restore, save } from "./programs.ts";
import type { Version } from "./rules.ts";

const CHAIN = "FORWARD";

export class ForwardPolicies {
  readonly #file: string;
  /** Of each family whose policy we have changed: what it was. */
  readonly #before: Partial<Record<Version, string>>;

  constructor(file: string) {
    this.#file = file;
    this.#before = load(file);
  }

  /** As Docker does where a host did not forward: it becomes no router for others by our doing. */
  async drop(version: Version): Promise<void> {
    const was = await policyOf(version);
    // Somebody else's, or ours from before a kill, which is noted.
    if (was === "DROP") return;
    // First written down, then done: killed in between, it is put back to what it is.
    this.#before[version] = was;
    this.#write();
    await setPolicy(version, "DROP");
  }

  /** As it was, unless it was not changed by us, or somebody has changed it since. */
  async restore(version: Version): Promise<void> {
    const was = this.#before[version];
    if (was === undefined) return;
    if ((await policyOf(version)) === "DROP") await setPolicy(version, was);
    delete this.#before[version];
    this.#write();
  }

  #write(): void {
    if (Object.keys(this.#before).length === 0) {
      rmSync(this.#file, { force: true });
      return;
    }
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    writeFileSync(`${this.#file}.new`, JSON.stringify(this.#before), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

function load(file: string): Partial<Record<Version, string>> {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    // Nothing was changed.
    return {};
  }
}

/** A table that nobody has used yet lets everything through. */
const policyOf = async (version: Version): Promise<string> =>
  (await save(version, "filter")).chains.get(CHAIN) ?? "ACCEPT";

const setPolicy = (version: Version, policy: string): Promise<void> =>
  restore(version, new Map([["filter", [`:${CHAIN} ${policy} [0:0]`]]]));
