/**
 * What the shim leaves in `n/` for its successor, on tmpfs: a file for every sandbox and endpoint that has names, and
 * for every endpoint that holds ports. Each is written whole and renamed.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { EndpointNames, HeldPort, SandboxNames } from "../network/types.ts";

export interface HeldPorts {
  /** The endpoint's. */
  id: string;
  ports: HeldPort[];
}

/** Kind → what its files hold. Fields are only ever added: a shim of another build may read them. */
export interface NetworkFiles {
  sandbox: SandboxNames;
  endpoint: EndpointNames;
  ports: HeldPorts;
}
type Kind = keyof NetworkFiles;

/** They become names of files. */
const ID = /^[0-9A-Za-z_-]{1,128}$/;

export class NetworkRecords {
  readonly folder: string;

  constructor(execRoot: string) {
    this.folder = join(execRoot, "n");
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    // What a predecessor was killed in the midst of.
    for (const name of readdirSync(this.folder)) {
      if (name.endsWith(".new")) rmSync(join(this.folder, name), { force: true });
    }
  }

  /** @throws RangeError for an id that cannot be a file's name */
  write<K extends Kind>(kind: K, value: NetworkFiles[K]): void {
    const path = this.#path(kind, value.id);
    const fd = openSync(`${path}.new`, "w", 0o600);
    try {
      writeSync(fd, JSON.stringify(value));
    } finally {
      closeSync(fd);
    }
    renameSync(`${path}.new`, path);
  }

  remove(kind: Kind, id: string): void {
    rmSync(this.#path(kind, id), { force: true });
  }

  readAll<K extends Kind>(kind: K): NetworkFiles[K][] {
    const found: NetworkFiles[K][] = [];
    for (const name of readdirSync(this.folder)) {
      if (!name.startsWith(`${kind}.`) || !name.endsWith(".json")) continue;
      try {
        found.push(JSON.parse(readFileSync(join(this.folder, name), "utf8")));
      } catch {
        // Not one of ours: renames are whole.
      }
    }
    return found;
  }

  #path(kind: Kind, id: string): string {
    if (!ID.test(id)) throw new RangeError(`${JSON.stringify(id)} is no id`);
    return join(this.folder, `${kind}.${id}.json`);
  }
}
