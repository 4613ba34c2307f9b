/**
 * What tsrunc remembers of a container: a folder per container below the root, with its specification and its state.
 */
import type { Cgroup } from "../../engine/runtime/cgroup-layout.ts";
import type { Spec, State } from "../../engine/runtime/spec.ts";
import {
  exists,
  makeFolder,
  makeFolders,
  readText,
  removeFile,
  removeFolder,
  replaceFile,
  writeFile,
} from "../../ffi/host.ts";
import type { SystemError } from "../../ffi/libc.ts";

export interface ContainerState {
  id: string;
  /** In the host's pid namespace. 0 until it is known. */
  pid: number;
  /** Clock ticks since the boot, so that a pid that was used again is not taken for it. */
  startTime: string;
  bundle: string;
  rootfs: string;
  created: string;
  ociVersion: string;
  annotations: Record<string, string>;
  cgroup: Cgroup;
}

export type Status = State["status"];

/**
 * `[A-Za-z0-9_+.-]+`. The first regular expression of a program takes as long as reading a file, and so does the first
 * `find`, `filter` or `every`: on the way to a start there are loops.
 */
function isName(id: string): boolean {
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    const letter = (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;
    const digit = code >= 0x30 && code <= 0x39;
    if (!letter && !digit && !"_+.-".includes(id[i]!)) return false;
  }
  return id !== "";
}

/** Throws for a name that is none. */
export function checkId(id: string): string {
  if (id === "") throw new Error("container id cannot be empty");
  if (!isName(id) || id === "." || id === "..") throw new Error(`invalid container ID format: ${id}`);
  return id;
}

export class StateStore {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  folder(id: string): string {
    return `${this.root}/${checkId(id)}`;
  }

  fifo(id: string): string {
    return `${this.folder(id)}/exec.fifo`;
  }

  /** Takes the id. Throws when it is taken. */
  reserve(id: string, spec: string): void {
    const folder = this.folder(id);
    try {
      makeFolder(folder, 0o700);
    } catch (error) {
      if ((error as SystemError).code === "EEXIST") throw new Error("container with given ID already exists");
      makeFolders(folder, 0o700);
    }
    writeFile(`${folder}/config.json`, spec, 0o600);
  }

  save(state: ContainerState): void {
    replaceFile(this.#state(state.id), JSON.stringify(state), 0o600);
  }

  /** All of the state but the process: whoever learns of that writes `stat`, and renames `from` to `to`. */
  prepare(state: ContainerState): { from: string; to: string; stat: string } {
    const folder = this.folder(state.id);
    const from = this.#begun(state.id);
    writeFile(from, JSON.stringify(state), 0o600);
    return { from, to: this.#state(state.id), stat: `${folder}/stat` };
  }

  /** The cgroup of a container whose start did not come to `save`. */
  begun(id: string): Cgroup | undefined {
    try {
      return (JSON.parse(readText(this.#begun(id))) as ContainerState).cgroup;
    } catch {
      // Nor has it come to a cgroup.
      return undefined;
    }
  }

  load(id: string): ContainerState {
    try {
      const state = JSON.parse(readText(this.#state(id))) as ContainerState;
      if (state.pid === 0) {
        const { pid, startTime } = parseStat(readText(`${this.folder(id)}/stat`));
        return { ...state, pid, startTime };
      }
      return state;
    } catch (error) {
      if ((error as SystemError).code === "ENOENT") throw new Error("container does not exist");
      throw error;
    }
  }

  spec(id: string): Spec {
    return JSON.parse(readText(`${this.folder(id)}/config.json`)) as Spec;
  }

  saveSpec(id: string, spec: Spec): void {
    replaceFile(`${this.folder(id)}/config.json`, JSON.stringify(spec), 0o600);
  }

  /** Of these names in the root, those that are containers. */
  among(names: readonly string[]): ContainerState[] {
    return names
      .filter((name) => isName(name) && exists(`${this.root}/${name}/state.json`))
      .map((name) => this.load(name));
  }

  #state(id: string): string {
    return `${this.folder(id)}/state.json`;
  }

  #begun(id: string): string {
    return `${this.folder(id)}/.state.json`;
  }

  /** All that the container's folder may have in it. */
  files(id: string): string[] {
    const folder = this.folder(id);
    return ["state.json", ".state.json", "stat", "exec.fifo", "config.json"].map(
      (name) => `${folder}/${name}`,
    );
  }

  remove(id: string): void {
    for (const file of this.files(id)) removeFile(file);
    removeFolder(this.folder(id));
  }

  status(state: ContainerState): Status {
    const now = processStart(state.pid);
    if (now === undefined || now.startTime !== state.startTime || now.dead) return "stopped";
    // A created one that is frozen too: it can be thawed, and nothing else.
    if (isFrozen(state.cgroup)) return "paused";
    return exists(this.fifo(state.id)) ? "created" : "running";
  }
}

interface ProcessStat {
  pid: number;
  startTime: string;
  dead: boolean;
}

export function processStart(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readText(`/proc/${pid}/stat`);
  } catch {
    return undefined;
  }
  return parseStat(text);
}

/** Of proc_pid_stat(5): the number, and fields after the name, which may hold anything. */
function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    pid: Number.parseInt(text, 10),
    startTime: fields[19] ?? "",
    dead: fields[0] === "Z" || fields[0] === "X",
  };
}

export function isFrozen(cgroup: Cgroup): boolean {
  for (const { version, controllers, path } of cgroup) {
    try {
      if (controllers.includes("freezer")) return readText(`${path}/freezer.state`).trim() !== "THAWED";
      if (version === 2 && readText(`${path}/cgroup.events`).includes("frozen 1")) return true;
    } catch {
      return false;
    }
  }
  return false;
}
