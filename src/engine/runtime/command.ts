/**
 * The last part of every process's way: from the new root to the command, in runc's order. What takes rights away
 * comes last, and after it only what is listed here.
 */
import { EngineError } from "../errors.ts";
import { execute, lookUpCommand } from "./executable.ts";
import type { ExecuteInit } from "./init-plan.ts";
import { SYNC } from "./keeper-steps.ts";
import { named, type PlanBuilder, STAGE_FD } from "./plan.ts";
import {
  becomeUser,
  closeAllBut,
  setNoNewPrivileges,
  setPriorities,
  setRlimits,
  setUmask,
  writeLabel,
} from "./process-setup.ts";
import { installSeccomp } from "./seccomp-steps.ts";
import type { Linux, Process } from "./spec.ts";

export interface CommandOptions {
  process: Process;
  /** What is executed, where the first word of the command is not its file. */
  file?: string;
  linux: Linux;
  /** Of the seccomp profile. */
  filter: Uint8Array | undefined;
  /** Streams that become the user's. */
  own: readonly number[];
  /** Where the label of the next execve is written, if there is one. */
  labelFile: number;
  /** Of `prepareInit`: becomes a pid 1 that reaps, above the command. */
  init?: ExecuteInit;
  preserve?: { count: number; first: number };
  /** Wait here before the execve. */
  gate?: number;
  /** Wait for SYNC.start before the execve, at the control socket. */
  held?: boolean;
  /** To be closed when all that can be told to the first process is done. */
  alive?: number;
}

export function runCommand(plan: PlanBuilder, options: CommandOptions): void {
  const { process, linux, filter, own, labelFile, init, gate, alive, preserve, held } = options;
  setUmask(plan, process.user?.umask ?? 0o022);
  if (process.noNewPrivileges) setNoNewPrivileges(plan);
  setPriorities(plan, process);
  if (linux.personality) setPersonality(plan, linux.personality.domain);
  writeLabel(plan, process, labelFile);
  setRlimits(plan, process.rlimits ?? []);
  closeAllBut(plan, neededFds(options));
  // Without no-new-privileges a filter needs CAP_SYS_ADMIN; with it, it goes in as late as can be.
  if (linux.seccomp && !process.noNewPrivileges) installSeccomp(plan, linux.seccomp, filter);
  becomeUser(plan, { process, own });
  // With an init the container has started before its command is looked for, as with docker-init
  const command = init ? undefined : lookUpCommand(plan, process, options.file);
  if (linux.seccomp && process.noNewPrivileges) installSeccomp(plan, linux.seccomp, filter);
  if (gate !== undefined) waitAtGate(plan, gate, alive);
  if (held) plan.add({ op: "await", tag: SYNC.start, label: "wait for the start" });
  if (preserve) passOn(plan, preserve);
  if (command) execute(plan, command);
  else init?.execute(alive);
}

/** What the last steps still need; none of it is a folder. */
export function neededFds({ init, gate, alive, preserve, held }: CommandOptions): number[] {
  const fds = [...(init?.fds ?? [])];
  if (held) fds.push(STAGE_FD.control);
  if (gate !== undefined) fds.push(gate);
  if (alive !== undefined) fds.push(alive);
  for (let i = 0; i < (preserve?.count ?? 0); i++) fds.push(preserve!.first + i);
  return fds;
}

/** Nobody can be told of a failure from here on, but on the container's own stderr. */
function waitAtGate(plan: PlanBuilder, gate: number, alive: number | undefined): void {
  if (alive !== undefined) plan.call("close", [alive], { label: "tell that the container is created" });
  const byte = plan.space(8, "a byte");
  plan.call("read", [gate, byte, 1], { label: "wait at the exec fifo" });
}

function passOn(plan: PlanBuilder, { count, first }: { count: number; first: number }): void {
  for (let i = 0; i < count; i++) plan.call("dup3", [first + i, 3 + i, 0], { label: `preserve fd ${3 + i}` });
}

const PERSONALITIES: Record<string, number> = { LINUX: 0, LINUX32: 8 };

function setPersonality(plan: PlanBuilder, domain: string): void {
  const value = PERSONALITIES[domain];
  if (value === undefined)
    throw new EngineError("invalid", `personality domain ${JSON.stringify(domain)} is not known`);
  plan.call("personality", [named(`PER_${domain}`, value)], { label: "set personality" });
}
