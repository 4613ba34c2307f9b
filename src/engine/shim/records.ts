/**
 * What the shim leaves in `k/` for its successor, on tmpfs: a launch record for each process, beside its keeper's
 * socket and exit record. All of a process's files begin with its short name.
 */
import {
  closeSync,
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

export class Records {
  readonly folder: string;

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

  /** Replaces the record as a whole; on tmpfs a rename is durable enough. */
  write(record: LaunchRecord): void {
    const path = join(this.folder, `${shortName(record.id)}.json`);
    const fd = openSync(`${path}.new`, "w", 0o600);
    writeSync(fd, JSON.stringify(record));
    closeSync(fd);
    renameSync(`${path}.new`, path);
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
    const name = shortName(id);
    for (const suffix of [".sock", ".exit", ".stdout", ".stderr", ".spec", ".json.new", ".json"]) {
      rmSync(join(this.folder, name + suffix), { force: true });
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
