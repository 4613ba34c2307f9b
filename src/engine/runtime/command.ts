/**
 * The last part of every process's way: from the new root to the command, in runc's order. What takes rights away
 * comes last, and after it only what is listed here.
 */
import { PROT } from "../../ffi/file.ts";
import { PR, SIG, SIG_HOW } from "../../ffi/process.ts";
import { TIO } from "../../ffi/socket-flags.ts";
import { EngineError } from "../errors.ts";
import { execute, lookUpCommand } from "./executable.ts";
import { pair } from "./io.ts";
import { flags, named, type PlanBuilder } from "./plan.ts";
import {
  becomeUser,
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
  linux: Linux;
  /** Streams that become the user's. */
  own: readonly number[];
  /** Where the label of the next execve is written, if there is one. */
  labelFile: number;
  /** Stay above the command as a pid 1 that reaps. */
  init: boolean;
  terminal: boolean;
  preserve?: { count: number; first: number };
  /** Wait here before the execve. */
  gate?: number;
  /** To be closed when all that can be told to the first process is done. */
  alive?: number;
}

export function runCommand(plan: PlanBuilder, options: CommandOptions): void {
  const { process, linux, own, labelFile, init, gate, alive, preserve } = options;
  setUmask(plan, process.user?.umask ?? 0o022);
  if (process.noNewPrivileges) setNoNewPrivileges(plan);
  setPriorities(plan, process);
  if (linux.personality) setPersonality(plan, linux.personality.domain);
  if (init) showInit(plan, process.args ?? []);
  writeLabel(plan, process, labelFile);
  setRlimits(plan, process.rlimits ?? []);
  // Without no-new-privileges a filter needs CAP_SYS_ADMIN; with it, it goes in as late as can be.
  if (linux.seccomp && !process.noNewPrivileges) installSeccomp(plan, linux.seccomp);
  becomeUser(plan, { process, own });
  const command = lookUpCommand(plan, process);
  if (linux.seccomp && process.noNewPrivileges) installSeccomp(plan, linux.seccomp);
  if (gate !== undefined) waitAtGate(plan, gate, alive);
  if (preserve) passOn(plan, preserve);
  if (init) forkBelowInit(plan, options);
  execute(plan, command);
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

const PR_SET_MM = 35;
const PR_SET_MM_MAP = 14;
const MM_MAP_SIZE = 104;
const NO_FD = 0xffff_ffff;

/** Where pid 1's shown arguments lie: below the plan, where nothing else is. */
const SHOWN_AT = 0x3000_0000;
const SHOWN_MAX = 32_768;

/**
 * `ps` shows pid 1 as Docker's: the kernel is told where its arguments are. It reads them from anonymous memory only
 * (since CVE-2018-1120), which the plan is not, so they are copied, through a pipe. The whole map is set, since single
 * fields need CAP_SYS_RESOURCE; where code and stack are said to be concerns nobody.
 */
function showInit(plan: PlanBuilder, args: readonly string[]): void {
  const text = ["/sbin/docker-init", "--", ...args].map((arg) => `${arg}\0`).join("");
  const bytes = new TextEncoder().encode(text).subarray(0, SHOWN_MAX);
  const label = "show the init process";
  const start = named(`0x${SHOWN_AT.toString(16)}`, SHOWN_AT);
  const end = named(`0x${(SHOWN_AT + bytes.length).toString(16)}`, SHOWN_AT + bytes.length);
  const protection = flags(PROT, "PROT_READ", "PROT_WRITE");
  const how = flags(PROT, "MAP_PRIVATE", "MAP_ANONYMOUS", "MAP_FIXED");
  plan.call("mmap", [start, SHOWN_MAX, protection, how, -1, 0], { label });
  const [read, write] = [plan.fd(), plan.fd()];
  pair(plan, "pipe2", read, write);
  plan.call("write", [write, plan.bytes(bytes, JSON.stringify(text)), bytes.length], { label });
  plan.call("read", [read, start, bytes.length], { label });
  // start_code, end_code, start_data, end_data, start_brk, brk, start_stack, arg_start, arg_end, env_start, env_end
  const addresses = [start, end, start, start, end, end, end, start, end, end, end];
  const map = plan.struct(MM_MAP_SIZE, "prctl_mm_map", [
    ...addresses.map((address, i) => [i * 8, "u64", address] as const),
    [100, "u32", NO_FD],
  ]);
  const size = named(`${MM_MAP_SIZE}`, MM_MAP_SIZE);
  // A kernel without CONFIG_CHECKPOINT_RESTORE shows the stage's own name.
  plan.call("prctl", [named("PR_SET_MM", PR_SET_MM), named("PR_SET_MM_MAP", PR_SET_MM_MAP), map, size, 0], {
    label,
    tolerate: "all",
  });
  plan.call("prctl", [flags(PR, "PR_SET_NAME"), plan.string("docker-init"), 0, 0, 0], { label });
}

/** The child goes on to the command; pid 1 reaps. */
function forkBelowInit(plan: PlanBuilder, { terminal }: CommandOptions): void {
  const pid = plan.slot("pid of the command");
  const child = plan.label("the command");
  const clone = named("CLONE_VFORK", 0x4000);
  plan.add({ op: "clone", label: "clone the command", flags: clone, child, process: 2, slot: pid });
  plan.call("close_range", [3, 0xffff_ffff, 0], { label: "close what only the start needed" });
  plan.add({ op: "reap", pid, label: "reap, and wait for the command" });
  plan.place(child);
  plan.call("setpgid", [0, 0], { label: "setpgid" });
  if (terminal) takeForeground(plan);
}

/** A process of the background that sets the foreground group gets SIGTTOU, unless it blocks it. */
function takeForeground(plan: PlanBuilder): void {
  const label = "become the terminal's foreground group";
  const group = plan.space(8, "process group");
  const own = plan.slot("own pid");
  const mask = plan.struct(8, "{SIGTTOU}", [[0, "u64", 1n << BigInt(SIG.SIGTTOU - 1)]]);
  const change = (how: "SIG_BLOCK" | "SIG_UNBLOCK") =>
    plan.call("rt_sigprocmask", [flags(SIG_HOW, how), mask, 0, 8], { label });
  change("SIG_BLOCK");
  plan.call("getpid", [], { label, slot: own });
  plan.put(own, group, "u32");
  plan.call("ioctl", [0, flags(TIO, "TIOCSPGRP"), group], { label, tolerate: "all" });
  change("SIG_UNBLOCK");
}
