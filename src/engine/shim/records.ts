/**
 * What the shim leaves in `k/` for its successor, on tmpfs: a launch record for each process, beside its keeper's
 * socket and exit record. All of a process's files begin with its short name.
 */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { AT } from "../../ffi/file.ts";
import { cstring, sys } from "../../ffi/libc.ts";
import type { Spec } from "../runtime/spec.ts";
import type { ContainerIo, LogTarget } from "./types.ts";

/** Fields are only ever added: a shim of another build may read it. */
export interface LaunchRecord {
  id: string;
  container: string;
  io: ContainerIo;
  log: LogTarget;
  /** Which request it was launched for (protocol.ts). */
  attempt?: string;
  /** Cgroup folders, of every hierarchy, that are the container's own: where it is frozen and killed. Empty for an exec. */
  cgroups: string[];
  /** A container with a pid namespace of its own: nothing in it outlives its first process. */
  ownPids?: boolean;
  /** 0 until the keeper has it. */
  pid: number;
  startedAt: string;
  paused: boolean;
  /** How it ended, when that is not what the keeper's exit record says. */
  lost?: { status: number; time: string; reason: string };
  oomKilled?: boolean;
  /** Its output was read to the end, and its end was told. */
  drained?: boolean;
}

/** Long enough to be unique, short enough for the 107 bytes of a socket's path. */
const shortName = (id: string): string => id.slice(0, 24);

const PAGE = 4096;

function put(path: string, bytes: Buffer, flags: number): void {
  const fd = openSync(path, constants.O_WRONLY | flags, 0o600);
  try {
    writeSync(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

export class Records {
  readonly folder: string;
  /** Whose records have a page, written by this process. */
  readonly #placed = new Set<string>();

  constructor(execRoot: string) {
    this.folder = join(execRoot, "k");
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  socket(id: string): string {
    return join(this.folder, `${shortName(id)}.sock`);
  }

  exit(id: string): string {
    return join(this.folder, `${shortName(id)}.exit`);
  }

  carry(id: string, stream: "stdout" | "stderr"): string {
    return join(this.folder, `${shortName(id)}.${stream}`);
  }

  journal(): string {
    return join(this.folder, "journal");
  }

  sessions(): string {
    return join(this.folder, "sessions");
  }

  /**
   * Replaces the record as a whole: the first time by a rename, and then in its place, at a third of the cost. It has
   * a page of its own, which the kernel writes as one, whatever kills us meanwhile; one that has outgrown it is
   * renamed every time.
   */
  write(record: LaunchRecord): void {
    const path = join(this.folder, `${shortName(record.id)}.json`);
    const text = JSON.stringify(record);
    const page = Buffer.from(text.padEnd(PAGE));
    if (page.length === PAGE && this.#placed.has(record.id)) {
      put(path, page, 0);
      return;
    }
    put(`${path}.new`, page, constants.O_CREAT | constants.O_TRUNC);
    renameSync(`${path}.new`, path);
    if (page.length === PAGE) this.#placed.add(record.id);
    else this.#placed.delete(record.id);
  }

  /** What an exec needs of the container's specification: namespaces, seccomp, and so on; no environment. */
  writeSpec(id: string, { ociVersion, linux, root, hostname }: Spec): void {
    const kept: Spec = {
      ociVersion,
      ...(linux && { linux }),
      ...(root && { root }),
      ...(hostname && { hostname }),
    };
    writeFileSync(this.#spec(id), JSON.stringify(kept), { mode: 0o600 });
  }

  readSpec(id: string): Spec {
    return JSON.parse(readFileSync(this.#spec(id), "utf8"));
  }

  #spec(id: string): string {
    return join(this.folder, `${shortName(id)}.spec`);
  }

  readAll(): LaunchRecord[] {
    const records: LaunchRecord[] = [];
    for (const name of readdirSync(this.folder)) {
      if (!name.endsWith(".json")) continue;
      try {
        records.push(JSON.parse(readFileSync(join(this.folder, name), "utf8")));
      } catch {
        // Not one of ours: renames are whole.
      }
    }
    return records;
  }

  remove(id: string): void {
    this.#placed.delete(id);
    const name = join(this.folder, shortName(id));
    // Most of them are not there: an exception for each would cost more than all the rest.
    for (const suffix of [".sock", ".exit", ".stdout", ".stderr", ".spec", ".json.new", ".json"]) {
      sys("unlinkat", AT.AT_FDCWD, cstring(name + suffix), 0);
    }
  }

  /** Removes what belongs to none of these ids. */
  sweep(ids: Iterable<string>): void {
    const known = new Set(["journal", "sessions"]);
    for (const id of ids) known.add(shortName(id));
    for (const name of readdirSync(this.folder)) {
      if (!known.has(name.split(".")[0]!)) rmSync(join(this.folder, name), { recursive: true, force: true });
    }
  }
}
