/**
 * What tsrunc remembers of a container: a folder per container below the root, with its specification and its state.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { Cgroup } from "../../engine/runtime/cgroup-layout.ts";
import type { Spec, State } from "../../engine/runtime/spec.ts";

export interface ContainerState {
  id: string;
  /** In the host's pid namespace. */
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

const NAME = /^[\w+.-]+$/;

/** Throws for a name that is none. */
export function checkId(id: string): string {
  if (id === "") throw new Error("container id cannot be empty");
  if (!NAME.test(id) || id === "." || id === "..") throw new Error(`invalid container ID format: ${id}`);
  return id;
}

export class StateStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  folder(id: string): string {
    return `${this.#root}/${checkId(id)}`;
  }

  fifo(id: string): string {
    return `${this.folder(id)}/exec.fifo`;
  }

  /** Takes the id. Throws when it is taken. */
  reserve(id: string, spec: string): void {
    const folder = this.folder(id);
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST")
        throw new Error("container with given ID already exists");
      mkdirSync(folder, { mode: 0o700, recursive: true });
    }
    writeFileSync(`${folder}/config.json`, spec, { mode: 0o600 });
  }

  save(state: ContainerState): void {
    const path = `${this.folder(state.id)}/state.json`;
    writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  load(id: string): ContainerState {
    try {
      return JSON.parse(readFileSync(`${this.folder(id)}/state.json`, "utf8")) as ContainerState;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new Error("container does not exist");
      throw error;
    }
  }

  spec(id: string): Spec {
    return JSON.parse(readFileSync(`${this.folder(id)}/config.json`, "utf8")) as Spec;
  }

  list(): ContainerState[] {
    let names: string[];
    try {
      names = readdirSync(this.#root);
    } catch {
      return [];
    }
    return names
      .filter((name) => NAME.test(name) && existsSync(`${this.#root}/${name}/state.json`))
      .map((name) => this.load(name));
  }

  remove(id: string): void {
    rmSync(this.folder(id), { recursive: true, force: true });
  }

  status(state: ContainerState): Status {
    const now = processStart(state.pid);
    if (now === undefined || now.startTime !== state.startTime || now.dead) return "stopped";
    if (existsSync(this.fifo(state.id))) return "created";
    return isFrozen(state.cgroup) ? "paused" : "running";
  }
}

/** Fields of proc_pid_stat(5), after the name, which may hold anything. */
export function processStart(pid: number): { startTime: string; dead: boolean } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { startTime: fields[19] ?? "", dead: fields[0] === "Z" || fields[0] === "X" };
}

function isFrozen(cgroup: Cgroup): boolean {
  for (const { version, controllers, path } of cgroup) {
    try {
      if (controllers.includes("freezer"))
        return readFileSync(`${path}/freezer.state`, "utf8").trim() !== "THAWED";
      if (version === 2 && readFileSync(`${path}/cgroup.events`, "utf8").includes("frozen 1")) return true;
    } catch {
      return false;
    }
  }
  return false;
}
