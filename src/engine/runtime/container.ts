/**
 * From an OCI specification to the plan that starts the container: the story of a start, top to bottom. The first
 * process of the plan is the stage (which becomes the keeper, or waits, or ends); its child becomes the container.
 */

import { CLONE, PR } from "../../ffi/process.ts";
import { EngineError } from "../errors.ts";
import type { Rootfs } from "../shim/types.ts";
import type { Cgroup } from "./cgroup-layout.ts";
import { addCgroupMount } from "./cgroup-mounts.ts";
import { createCgroup, joinCgroup, limitPids, openUnified, type Watch, watchOom } from "./cgroup-steps.ts";
import { type CommandOptions, neededFds, runCommand } from "./command.ts";
import type { Copies } from "./copy-up.ts";
import { addDeviceLinks, addDevices } from "./devices.ts";
import { checkEnvironment } from "./environment.ts";
import { candidates } from "./executable.ts";
import { addMaskedPaths, addReadonlyPaths } from "./hidden-paths.ts";
import { refuseHostNames, setHostNames } from "./hostname.ts";
import { type ExecuteInit, executeOrTell, prepareInit } from "./init-plan.ts";
import {
  cleanPath,
  type Inside,
  inside,
  makeFolders,
  openHost,
  openInside,
  openOrMakeFile,
} from "./inside.ts";
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
import { type KeeperOptions, type Kept, openKeeper, openMounts, SYNC } from "./keeper-steps.ts";
import { bringUpLoopback } from "./loopback.ts";
import { attach, cloneTree, Mounter } from "./mounts.ts";
import { addMtab } from "./mtab.ts";
import { type NamesPorts, openNames } from "./names-steps.ts";
import {
  becomeMappedRoot,
  enterCgroupNamespace,
  type GivenNamespaces,
  joinNamespaces,
  mapIds,
  type NamespacePlan,
  namespaceFlag,
  openNamespaces,
} from "./namespaces.ts";
import { cloneInside, openProc, shareMemory } from "./pid-namespace.ts";
import { flags, type Plan, PlanBuilder } from "./plan.ts";
import { Pipe } from "./process-pipe.ts";
import {
  closeAllBut,
  hasLabel,
  joinKeyring,
  openAttributes,
  openLabelFile,
  setOomScore,
  setUmask,
} from "./process-setup.ts";
import { hideKernelFiles, makeRootReadonly, mountRoot, pivotRoot } from "./rootfs.ts";
import type { Linux, Process, Spec } from "./spec.ts";
import { noteStart, type StartNote } from "./start-note.ts";
import type { Data, Named, Slot } from "./steps.ts";
import { setSysctls } from "./sysctls.ts";

export interface ContainerOptions {
  id: string;
  spec: Spec;
  rootfs: Rootfs;
  /** `compileFilter` of the specification's seccomp profile. */
  filter: Uint8Array | undefined;
  io: ProcessIo;
  /** Of `cgroupOf`; none for `[]`. */
  cgroup: Cgroup;
  /** Without one, the stage waits for the container and ends with its status; with a gate, it does not wait. */
  keeper?: KeeperOptions;
  /** A pid 1 that reaps and forwards signals above the process. */
  init?: boolean;
  /** A fifo of the host's: the process is executed when somebody writes into it (`tsrunc create`). */
  gate?: string;
  /** The process is a child of whoever started the stage, which ends when it has started, or waits at the gate. */
  toCaller?: boolean;
  /** Tell SYNC.pid over the control socket: when the process runs (or waits at the gate), and, for hooks, before. */
  control?: boolean;
  /** Wait for SYNC.start before the command is executed; needs a stage with a control socket. */
  held?: boolean;
  /** Noted before the command is executed: whoever hears of the container finds it. */
  note?: StartNote;
  /** Stop for hooks (SYNC.hooks) before the root changes; needs `control`. */
  hooks?: boolean;
  /** fds above 2 that the process gets: the stage was given them as its fds from 6 on (or 7, see `firstPreserved`). */
  preserve?: { count: number; first: number };
  /** Instead of those that the stage would open or make. */
  given?: GivenNamespaces;
  /** The keeper holds sockets for names, in the network namespace that is joined. */
  names?: NamesPorts;
  /** An engine's containers have /etc/mtab, which programs read that are older than /proc/self/mounts. */
  mtab?: boolean;
  /** What tmpfs mounts begin with, where they are to have what they hide; not in a new user namespace. */
  copies?: Copies;
  noPivot?: boolean;
  noNewKeyring?: boolean;
  /** Of the inherited streams: those to give to the process's user, and those that are /dev/null. */
  inherited?: { own: readonly number[]; null: readonly number[] };
}

/**
 * Throws an `EngineError` for a specification that cannot be carried out.
 *
 * With `begin`, the plan comes in two parts. It is called with the first, which makes the cgroup and the namespaces: a
 * stage that starts on it has the kernel at work while the second one, which is returned, is still being made.
 */
export function compileContainer(options: ContainerOptions, begin?: (first: Plan) => void): Plan {
  const { spec } = options;
  const process = spec.process;
  const linux = spec.linux ?? {};
  if (!process) throw new EngineError("invalid", "process property must not be empty");
  if (!process.cwd.startsWith("/")) throw new EngineError("invalid", "Cwd must be an absolute path");
  checkEnvironment(process.env);
  if (!linux.namespaces?.some(({ type }) => type === "mount")) {
    throw new EngineError("invalid", "unable to restrict sys entries without a private MNT namespace");
  }
  refuseHostNames(spec);
  const plan = new PlanBuilder();
  const compiler = new ContainerCompiler(plan, options, process, linux, begin);
  compiler.firstProcess();
  return plan.build();
}

class ContainerCompiler {
  readonly #plan: PlanBuilder;
  readonly #options: ContainerOptions;
  readonly #process: Process;
  readonly #linux: Linux;
  readonly #begin: ((first: Plan) => void) | undefined;
  readonly #scratch: number;
  readonly #pid: Slot;
  /** The limit of processes leaves no room for who only brings the container's into another pid namespace. */
  readonly #single: boolean;
  /** The parent may sleep until the child has executed: nothing has to happen between them. */
  readonly #vfork: boolean;

  constructor(
    plan: PlanBuilder,
    options: ContainerOptions,
    process: Process,
    linux: Linux,
    begin: ((first: Plan) => void) | undefined,
  ) {
    this.#plan = plan;
    this.#options = options;
    this.#process = process;
    this.#linux = linux;
    this.#begin = begin;
    this.#scratch = plan.fd();
    this.#pid = plan.slot("pid of the container");
    const newUser = linux.namespaces?.some(({ type, path }) => type === "user" && !path);
    this.#single =
      linux.resources?.pids?.limit === 1 &&
      (linux.namespaces?.some(({ type, path }) => type === "pid" && !!path) ?? false);
    this.#vfork =
      !options.init && !options.gate && !options.hooks && !options.note && !newUser && !this.#single;
  }

  get #toCaller(): boolean {
    return this.#options.toCaller === true;
  }

  /** The stage's own process: makes what outlives the container's start, and clones it. */
  firstProcess(): void {
    const plan = this.#plan;
    const { cgroup, keeper, io, gate } = this.#options;
    plan.call("prctl", [flags(PR, "PR_SET_DUMPABLE"), 0, 0, 0, 0], { label: "make the stage undumpable" });
    const kept = keeper && openKeeper(plan, keeper);
    const { resources = {} } = this.#linux;
    createCgroup(
      plan,
      this.#scratch,
      cgroup,
      this.#single ? { ...resources, pids: { limit: 2 } } : resources,
    );
    const watches = keeper ? watchOom(plan, cgroup, { fd: this.#scratch, slot: this.#pid }) : [];
    const streams = prepareStreams(plan, io);
    const namespaces = openNamespaces(plan, this.#linux, this.#options.given);
    const procs = this.#openProcs(namespaces);
    const names = this.#options.names ? openNames(plan, namespaces, this.#options.names) : [];
    const gateFd = gate === undefined ? undefined : this.#openGate(gate);
    const alive = this.#vfork ? undefined : new Pipe(plan);
    const limited = this.#single ? new Pipe(plan) : undefined;
    const mapped = namespaces.isNew("user") ? new Pipe(plan) : undefined;
    const { note } = this.#options;
    // Of a process that joins a pid namespace the number is known too late to wait for.
    const noted = note && namespaces.joinedPid === undefined ? new Pipe(plan) : undefined;
    const child = plan.label("the container");
    const into = openUnified(plan, plan.fd(), cgroup);
    const told = namespaces.joinedPid === undefined ? undefined : shareMemory(plan);
    plan.add({
      op: "clone",
      label: "clone the container's first process",
      flags: this.#cloneFlags(namespaces, into !== undefined),
      child,
      process: 1,
      slot: this.#pid,
      ...(into !== undefined && { cgroup: into }),
    });
    // That one has made all ready, and ended.
    if (told) plan.get(told, "i32", { slot: this.#pid }, "learn the pid");
    if (limited) {
      plan.add({ op: "check", label: "the container failed" });
      limitPids(plan, this.#scratch, cgroup, 1);
      limited.send(plan);
    }
    if (mapped) {
      mapIds(plan, this.#linux, { pid: this.#pid, scratch: this.#scratch });
      mapped.send(plan);
    }
    if (note) noteStart(plan, note, this.#pid);
    noted?.send(plan);
    const { control, hooks } = this.#options;
    if (control && hooks && !told) this.#tellPid();
    this.#afterClone({ ...streams, held: [...streams.held, ...names] }, alive, kept, watches);
    plan.place(child);
    this.#child({ streams, namespaces, procs, told, alive, mapped, noted, limited, gate: gateFd });
  }

  /** For every mount of type proc, where the container's pid namespace is another's. */
  #openProcs({ joinedPid: namespace }: NamespacePlan): number[] {
    if (namespace === undefined) return [];
    const noPivot = this.#options.noPivot ?? false;
    const mounts = this.#options.spec.mounts ?? [];
    return mounts
      .filter(({ type, options }) => type === "proc" && !isBind(type, options))
      .map(({ destination }) => {
        const fd = this.#plan.fd();
        const label = `error mounting "proc" to rootfs at ${JSON.stringify(destination)}`;
        openProc(this.#plan, { namespace, fd, noPivot, label });
        return fd;
      });
  }

  #cloneFlags(namespaces: NamespacePlan, intoCgroup: boolean): Named {
    return flags(
      CLONE,
      ...namespaces.cloneFlags,
      ...(this.#vfork || namespaces.joinedPid !== undefined ? (["CLONE_VFORK"] as const) : []),
      ...(this.#toCaller ? (["CLONE_PARENT"] as const) : []),
      ...(intoCgroup ? (["CLONE_INTO_CGROUP"] as const) : []),
    );
  }

  #tellPid(): void {
    this.#plan.add({ op: "sync", tag: SYNC.pid, value: this.#pid, label: "tell the pid" });
  }

  /** What the parent does: a keeper keeps, another waits, or is done. */
  #afterClone(
    streams: Streams,
    alive: Pipe | undefined,
    kept: Kept | undefined,
    watches: readonly Watch[],
  ): void {
    const plan = this.#plan;
    const { control, keeper } = this.#options;
    alive?.waitForEnd(plan);
    if (control) this.#tellPid();
    receiveTerminal(plan, streams);
    if (keeper && kept) {
      const held = [...streams.held];
      if (keeper.holdMounts) held.push({ name: "mounts", fd: openMounts(plan, this.#pid, this.#scratch) });
      plan.add({
        op: "keep",
        pid: this.#pid,
        held,
        watches,
        bootId: keeper.bootId,
        label: "keep the container",
        ...kept,
      });
    } else if (this.#toCaller) plan.call("exit_group", [0], { label: "leave the container to the caller" });
    else plan.add({ op: "wait", pid: this.#pid, label: "wait for the container" });
  }

  /** Opened for both directions: a fifo without any writer would read as ended. */
  #openGate(path: string): number {
    const fd = this.#plan.fd();
    openHost(this.#plan, path, ["O_RDWR", "O_CLOEXEC"], { label: `open exec fifo ${path}`, fd });
    return fd;
  }

  /** From clone to execve. */
  #child(with_: ChildContext): void {
    const plan = this.#plan;
    const { spec, id, noNewKeyring } = this.#options;
    const { namespaces, streams } = with_;
    plan.call("setsid", [], { label: "setsid" });
    joinCgroup(plan, this.#scratch, this.#options.cgroup);
    joinNamespaces(plan, namespaces);
    enterCgroupNamespace(plan, namespaces);
    if (this.#process.oomScoreAdj !== undefined) setOomScore(plan, this.#scratch, this.#process.oomScoreAdj);
    if (with_.mapped) {
      with_.mapped.receive(plan);
      becomeMappedRoot(plan);
    }
    takePipes(plan, streams);
    if (!noNewKeyring) joinKeyring(plan, id);
    setUmask(plan, 0);
    if (namespaces.isNew("network")) bringUpLoopback(plan, this.#scratch);
    const attributes = plan.fd();
    openAttributes(plan, this.#process, attributes);
    const labelFile = plan.fd();
    const openLabel = (): void => openLabelFile(plan, this.#process, attributes, labelFile);
    if (namespaces.joinedPid === undefined) openLabel();
    const init = this.#options.init ? this.#prepareInit() : undefined;
    with_.noted?.receive(plan);
    this.#begin?.(plan.cut("hear of the rest of the plan"));
    this.#fileSystem(with_);
    setHostNames(plan, spec);
    const { preserve, io, inherited, held } = this.#options;
    const own = io.kind === "inherit" ? (inherited?.own ?? []) : streamsOf(streams, io);
    const command: CommandOptions = {
      process: this.#process,
      linux: this.#linux,
      filter: this.#options.filter,
      own,
      labelFile,
      ...(held && { held }),
      ...(init && { init }),
      ...(preserve && { preserve }),
      ...(with_.gate !== undefined && { gate: with_.gate }),
      ...(with_.alive && { alive: with_.alive.write }),
    };
    if (namespaces.joinedPid !== undefined && with_.told) {
      plan.call("setns", [namespaces.joinedPid, namespaceFlag("pid")], { label: "join pid namespace" });
      const { limited, told } = with_;
      closeAllBut(plan, [
        ...neededFds(command),
        ...(hasLabel(this.#process) ? [attributes] : []),
        ...(limited ? [limited.read] : []),
      ]);
      cloneInside(plan, { told, vfork: this.#vfork });
      limited?.hear(plan);
      plan.call("setsid", [], { label: "setsid" });
      openLabel();
    }
    if (io.kind === "pty") controlTerminal(plan);
    runCommand(plan, command);
  }

  /** Docker's name for it: what `ps` shows as pid 1. */
  #prepareInit(): ExecuteInit {
    const { args: argv = [], env = [] } = this.#process;
    return prepareInit(this.#plan, {
      argv: ["/sbin/docker-init", "--", ...argv],
      env,
      command: (plan) => {
        const paths = candidates(argv[0] ?? "", env);
        executeOrTell(plan, { paths, argv, envp: plan.strings(env), init: "tini" });
      },
    });
  }

  /** Everything below the new root, by descriptor; then it becomes "/". */
  #fileSystem({ namespaces, streams, procs }: ChildContext): void {
    const plan = this.#plan;
    const { spec, rootfs, cgroup, io, noPivot, hooks, inherited } = this.#options;
    const linux = this.#linux;
    const root = plan.fd();
    const propagation = linux.rootfsPropagation;
    // Another propagation than the usual leaves the mount that it lies in shared, which pivot_root refuses.
    mountRoot(plan, root, { rootfs, propagation, inPlace: !!hooks && !noPivot && !propagation });
    const at = inside(plan, root);
    if (this.#options.mtab) addMtab(at);
    const newUser = namespaces.isNew("user");
    const copies = newUser ? undefined : this.#options.copies;
    const mounter = new Mounter(at, procs, copies, rootfs.kind === "path" ? rootfs.path : undefined);
    for (const mount of spec.mounts ?? []) {
      if (mount.type !== "cgroup" && mount.type !== "cgroup2") mounter.add(mount);
      else
        addCgroupMount(at, mounter, mount, {
          cgroup,
          namespaced: namespaces.has("cgroup"),
          bindOnly: newUser && !namespaces.has("cgroup"),
        });
    }
    const ownDev = !spec.mounts?.some(
      ({ destination, type, options }) => cleanPath(destination) === "/dev" && isBind(type, options),
    );
    if (ownDev) {
      addDevices(at, linux.devices ?? [], newUser);
      addDeviceLinks(at);
    }
    const where = { namespaces: namespaces.list, procfs: mounter.procfs };
    setSysctls(plan, this.#scratch, linux.sysctl ?? {}, where);
    addReadonlyPaths(at, linux.readonlyPaths ?? []);
    addMaskedPaths(at, linux.maskedPaths ?? [], hooks);
    if (io.kind === "pty") this.#terminal(at, streams, io, ownDev);
    if (hooks) {
      const self = plan.slot("own pid");
      if (namespaces.joinedPid !== undefined) plan.call("getpid", [], { slot: self });
      plan.add({ op: "sync", tag: SYNC.hooks, value: self, label: "ask for hooks" });
      plan.add({ op: "await", tag: SYNC.hooks, label: "wait for hooks" });
    }
    makeFolders(at, this.#process.cwd, `mkdir ${this.#process.cwd}`);
    mounter.finish();
    if (spec.root?.readonly) makeRootReadonly(plan, root);
    if (noPivot) hideKernelFiles(plan);
    pivotRoot(plan, root, { noPivot: noPivot ?? false, propagation });
    if (ownDev)
      reopenNull(
        plan,
        this.#scratch,
        io.kind === "inherit" ? (inherited?.null ?? []) : io.kind === "pipes" && !io.stdin ? [0] : [],
      );
  }

  #terminal(at: Inside, streams: Streams, io: ProcessIo, ownDev: boolean): void {
    const plan = this.#plan;
    const terminal = { master: plan.fd(), slave: plan.fd() };
    openInside(at, "/dev/ptmx", {
      label: "open the terminal",
      flags: ["O_RDWR", "O_NOCTTY", "O_CLOEXEC"],
      fd: terminal.master,
    });
    openSlave(plan, terminal, io);
    if (ownDev) {
      const label = 'bind the terminal to "/dev/console"';
      openOrMakeFile(at, "/dev/console", label);
      cloneTree(plan, terminal.slave, "", { fd: at.folder, recursive: false, label });
      attach(plan, at.folder, at.target, label);
    }
    takeTerminal(plan, streams, terminal);
  }
}

interface ChildContext {
  streams: Streams;
  namespaces: NamespacePlan;
  /** Of `openProc`, one for each mount. */
  procs: readonly number[];
  /** Where the pid is told, when a pid namespace is joined. */
  told: Data | undefined;
  alive: Pipe | undefined;
  mapped: Pipe | undefined;
  noted: Pipe | undefined;
  limited: Pipe | undefined;
  gate: number | undefined;
}

const isBind = (type: string | undefined, options: readonly string[] = []): boolean =>
  type === "bind" || options.includes("bind") || options.includes("rbind");
