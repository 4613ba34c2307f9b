/**
 * Another process in a running container: into its cgroup and its namespaces, then the same way as its first one.
 * @source setns(2), pidfd_open(2); CVE-2016-9962
 */

import { ERRNO } from "../../ffi/errno.ts";
import { CLONE, PR } from "../../ffi/process.ts";
import { EngineError } from "../errors.ts";
import { type Cgroup, isUnified, unifiedFolder } from "./cgroup-layout.ts";
import { joinCgroup, openInner, openUnified } from "./cgroup-steps.ts";
import { runCommand } from "./command.ts";
import { checkEnvironment } from "./environment.ts";
import { openHost, openHow } from "./inside.ts";
import {
  controlTerminal,
  openSlave,
  type ProcessIo,
  prepareStreams,
  receiveTerminal,
  reopenNull,
  type Streams,
  streamsOf,
  takePipes,
  takeTerminal,
} from "./io.ts";
import { type KeeperOptions, openKeeper, SYNC } from "./keeper-steps.ts";
import { becomeMappedRoot, namespaceFlag } from "./namespaces.ts";
import { cloneInside, shareMemory } from "./pid-namespace.ts";
import {
  type Crowded,
  type CrowdedSteps,
  enterCrowded,
  prepareCrowded,
  waitUntilTraced,
} from "./pids-limit.ts";
import { flags, named, type Plan, PlanBuilder } from "./plan.ts";
import {
  closeAllBut,
  hasLabel,
  joinKeyring,
  openAttributes,
  openLabelFile,
  setOomScore,
  setUmask,
} from "./process-setup.ts";
import type { NamespaceType, Process, Spec } from "./spec.ts";
import type { Label, Slot } from "./steps.ts";

export interface ExecOptions {
  /** The container's id. */
  id: string;
  /** Of the container: its namespaces, seccomp profile and personality hold for the process, too. */
  spec: Spec;
  /** The container's first process, in the host's pid namespace. */
  pid: number;
  /** The stage's fd of its pidfd: the number alone may be another process's by the time that the stage looks. */
  pidfd?: number;
  process: Process;
  /** Below the root that the first process has now, while what will be its root lies over that of its namespace. */
  oldRoot?: boolean;
  /** What is executed, where the first word of the command is not its file. */
  file?: string;
  /** `compileFilter` of the specification's seccomp profile. */
  filter: Uint8Array | undefined;
  io: ProcessIo;
  /** The container's, as it was created. */
  cgroup: Cgroup;
  /** Without one, the stage waits for the process and ends with its status. */
  keeper?: KeeperOptions;
  /** The process is left to whoever started the stage, as its child. */
  detach?: boolean;
  /** Tell SYNC.pid over the control socket. */
  control?: boolean;
  preserve?: { count: number; first: number };
  noNewKeyring?: boolean;
  inherited?: { own: readonly number[]; null: readonly number[] };
}

/** Throws an `EngineError` for a process that cannot be started at all. */
export function compileExec(options: ExecOptions): Plan {
  const { process, keeper, io, cgroup, detach, control } = options;
  if (!process.cwd.startsWith("/")) throw new EngineError("invalid", "Cwd must be an absolute path");
  checkEnvironment(process.env);
  const plan = new PlanBuilder();
  const scratch = plan.fd();
  const target = options.pidfd ?? plan.fd();
  const pid = plan.slot("pid of the process");
  const types = namespaceTypes(options.spec);
  // Or the container could reach into this process from the moment that it shares its pid namespace.
  plan.call("prctl", [flags(PR, "PR_SET_DUMPABLE"), 0, 0, 0, 0], { label: "make the stage undumpable" });
  const kept = keeper && openKeeper(plan, keeper);
  const streams = prepareStreams(plan, io);
  if (options.pidfd === undefined)
    plan.call("pidfd_open", [options.pid, 0], {
      label: `open the container's process ${options.pid}`,
      fd: target,
    });
  const joiner: Joiner = { options, pid, scratch, own: plan.fd(), label: plan.label("the joiner") };
  const told = shareMemory(plan);
  const crowded = prepareCrowded(plan, cgroup);
  const ready = plan.label("the process has executed");
  cloneJoiner(plan, joiner, crowded);
  plan.get(told, "i32", { slot: pid }, "learn the pid");
  if (crowded) plan.jumpWhen(pid, { equals: -ERRNO.EAGAIN }, crowded.label);
  plan.place(ready);
  if (control) plan.add({ op: "sync", tag: SYNC.pid, value: pid, label: "tell the pid" });
  receiveTerminal(plan, streams);
  if (keeper && kept)
    plan.add({
      op: "keep",
      pid,
      held: streams.held,
      bootId: keeper.bootId,
      label: "keep the process",
      ...kept,
    });
  else if (detach) plan.call("exit_group", [0], { label: "leave the process to the caller" });
  else plan.add({ op: "wait", pid, label: "wait for the process" });
  const pipes = crowded && enterCrowded(plan, crowded, { ...crowdedSteps(plan, joiner), ready });
  plan.place(joiner.label);
  const alive = pipes?.alive.write;
  const context: EnterContext = { scratch, target, streams, types, attributes: plan.fd(), crowded, alive };
  if (crowded && pipes) waitUntilTraced(plan, crowded, pipes);
  join(plan, options, context);
  cloneInside(plan, { told, vfork: true, crowded });
  enter(plan, options, context);
  return plan.build();
}

/** Who joins the container's cgroup and namespaces, and clones the process. */
interface Joiner {
  options: ExecOptions;
  pid: Slot;
  scratch: number;
  /** The folder of the unified cgroup, if there is one. */
  own: number;
  label: Label;
}

/** Goes on at `crowded`, if that is given, where the unified cgroup has no room; -EBUSY: see `openInner`. */
function cloneJoiner(plan: PlanBuilder, joiner: Joiner, crowded: Crowded | undefined): void {
  const { cgroup } = joiner.options;
  if (!unifiedFolder(cgroup)) {
    addClone(plan, joiner, { vfork: true });
    return;
  }
  openUnified(plan, joiner.own, cgroup);
  cloneIntoUnified(plan, joiner, true, isUnified(cgroup) ? crowded : undefined);
}

function cloneIntoUnified(
  plan: PlanBuilder,
  joiner: Joiner,
  vfork: boolean,
  crowded: Crowded | undefined,
): void {
  const { pid, own } = joiner;
  const full = crowded ? [ERRNO.EAGAIN] : [];
  const goWhenFull = (): void => {
    if (crowded) plan.jumpWhen(pid, { equals: -ERRNO.EAGAIN }, crowded.label);
  };
  addClone(plan, joiner, { vfork, into: own, tolerate: [ERRNO.EBUSY, ...full] });
  plan.unless(
    pid,
    "not negative",
    () => {
      goWhenFull();
      addClone(plan, joiner, { vfork, into: openFirstProcess(plan, joiner), tolerate: full });
      goWhenFull();
    },
    "the joiner is there",
  );
}

/** The cgroup of the container's first process, below the container's own. */
const openFirstProcess = (plan: PlanBuilder, { options: { pid, cgroup }, scratch, own }: Joiner): number =>
  openInner(plan, { pid, scratch, own, fd: plan.fd() }, unifiedFolder(cgroup)!);

function addClone(
  plan: PlanBuilder,
  { options: { detach }, pid, label: child }: Joiner,
  { vfork, into, tolerate = [] }: { vfork: boolean; into?: number; tolerate?: readonly number[] },
): void {
  const names: (keyof typeof CLONE & string)[] = vfork ? ["CLONE_VFORK"] : [];
  if (detach) names.push("CLONE_PARENT");
  if (into !== undefined) names.push("CLONE_INTO_CGROUP");
  plan.add({
    op: "clone",
    label: "clone the joiner",
    flags: flags(CLONE, ...names),
    child,
    process: 1,
    slot: pid,
    ...(into !== undefined && { cgroup: into }),
    ...(tolerate.length > 0 && { tolerate }),
  });
}

/** The joiner's clone where there is no room for more processes: a unified cgroup that does not count has some. */
function crowdedSteps(plan: PlanBuilder, joiner: Joiner): Omit<CrowdedSteps, "ready"> {
  const { pid, scratch, own, options } = joiner;
  const { cgroup } = options;
  const openInner = () => openFirstProcess(plan, joiner);
  if (isUnified(cgroup))
    return {
      pid,
      scratch,
      clone: () => addClone(plan, joiner, { vfork: false }),
      unified: { own, openInner },
    };
  const clone = (): void =>
    unifiedFolder(cgroup)
      ? cloneIntoUnified(plan, joiner, false, undefined)
      : addClone(plan, joiner, { vfork: false });
  return { pid, scratch, clone };
}

/** Those that the container has of its own, or joined; its user namespace first, which setns sees to. */
function namespaceTypes(spec: Spec): NamespaceType[] {
  return (spec.linux?.namespaces ?? []).map(({ type }) => type);
}

interface EnterContext {
  scratch: number;
  target: number;
  streams: Streams;
  types: readonly NamespaceType[];
  /** The host's /proc, while there is a label to write. */
  attributes: number;
  crowded: Crowded | undefined;
  /** Open in a process that was moved into its cgroup, until it executes. */
  alive: number | undefined;
}

/**
 * Into the cgroup and all namespaces but one's own pid namespace, which is that of children: a process that the
 * container can see, and may trace if it has CAP_SYS_PTRACE, is never in the host's mount namespace.
 */
function join(
  plan: PlanBuilder,
  options: ExecOptions,
  { scratch, target, streams, types, attributes, crowded, alive }: EnterContext,
): void {
  const { process } = options;
  joinCgroup(plan, scratch, options.cgroup, crowded);
  if (process.oomScoreAdj !== undefined) setOomScore(plan, scratch, process.oomScoreAdj);
  openAttributes(plan, process, attributes);
  const root = options.oldRoot ? plan.fd() : undefined;
  const label = "keep to the old root";
  if (root !== undefined)
    openHost(plan, `/proc/${options.pid}/root`, ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], { label, fd: root });
  if (types.length > 0) {
    const all = types.map(namespaceFlag);
    const sum = all.reduce((bits, flag) => bits | BigInt(flag.value), 0n);
    plan.call("setns", [target, named(all.map(({ show }) => show).join("|"), sum)], {
      label: "join the container's namespaces",
    });
  }
  if (root !== undefined) {
    plan.call("fchdir", [root], { label });
    plan.call("chroot", [plan.string(".")], { label });
  }
  takePipes(plan, streams);
  // Nor does it have any fd of the host's, which a tracer could take.
  closeAllBut(plan, [...fdsToKeep(options, streams, attributes), ...(alive === undefined ? [] : [alive])]);
}

function fdsToKeep({ process, preserve }: ExecOptions, streams: Streams, attributes: number): number[] {
  const kept = hasLabel(process) ? [attributes] : [];
  if (streams.terminal) kept.push(streams.terminal.socket);
  for (let i = 0; i < (preserve?.count ?? 0); i++) kept.push(preserve!.first + i);
  return kept;
}

function enter(plan: PlanBuilder, options: ExecOptions, context: EnterContext): void {
  const { process, spec, io, inherited, preserve } = options;
  const { scratch, streams, types, attributes, alive } = context;
  const labelFile = plan.fd();
  plan.call("setsid", [], { label: "setsid" });
  openLabelFile(plan, process, attributes, labelFile);
  if (types.includes("user")) becomeMappedRoot(plan);
  if (!options.noNewKeyring) joinKeyring(plan, options.id);
  setUmask(plan, 0);
  if (io.kind === "pty") openTerminal(plan, streams, io);
  else reopenNull(plan, scratch, io.kind === "inherit" ? (inherited?.null ?? []) : io.stdin ? [] : [0]);
  const own = io.kind === "inherit" ? (inherited?.own ?? []) : streamsOf(streams, io);
  runCommand(plan, {
    process,
    ...(options.file !== undefined && { file: options.file }),
    linux: spec.linux ?? {},
    filter: options.filter,
    own,
    labelFile,
    ...(preserve && { preserve }),
    ...(alive !== undefined && { alive }),
  });
}

/** Of the container's own devpts; whatever lies at /dev/ptmx, only a terminal answers what is asked of it next. */
function openTerminal(plan: PlanBuilder, streams: Streams, io: ProcessIo): void {
  const terminal = { master: plan.fd(), slave: plan.fd() };
  const how = openHow(plan, ["O_RDWR", "O_NOCTTY", "O_CLOEXEC"]);
  plan.call("openat2", [named("AT_FDCWD", -100), plan.string("/dev/ptmx"), how, 24], {
    label: "open the terminal",
    fd: terminal.master,
  });
  openSlave(plan, terminal, io);
  takeTerminal(plan, streams, terminal);
  controlTerminal(plan);
}
