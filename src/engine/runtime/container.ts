/**
 * From an OCI specification to the plan that starts the container: the story of a start, top to bottom. The first
 * process of the plan is the stage (which becomes the keeper, or waits, or ends); its child becomes the container.
 */
import { CLONE, PR } from "../../ffi/process.ts";
import { SOCK } from "../../ffi/socket-flags.ts";
import { EngineError } from "../errors.ts";
import type { Rootfs } from "../shim/types.ts";
import type { Cgroup } from "./cgroup-layout.ts";
import { addCgroupMount } from "./cgroup-mounts.ts";
import { createCgroup, joinCgroup, openUnified, type Watch, watchOom } from "./cgroup-steps.ts";
import { runCommand } from "./command.ts";
import { addDeviceLinks, addDevices } from "./devices.ts";
import { candidates } from "./executable.ts";
import { addMaskedPaths, addReadonlyPaths } from "./hidden-paths.ts";
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
  openSlave,
  type ProcessIo,
  pair,
  prepareStreams,
  receiveTerminal,
  reopenNull,
  type Streams,
  streamsOf,
  takePipes,
  takeTerminal,
} from "./io.ts";
import { type KeeperOptions, type Kept, openKeeper, SYNC } from "./keeper-steps.ts";
import { attach, cloneTree, Mounter } from "./mounts.ts";
import { type NamesPorts, openNames } from "./names-steps.ts";
import {
  becomeMappedRoot,
  enterCgroupNamespace,
  joinNamespaces,
  mapIds,
  type NamespacePlan,
  openNamespaces,
  type Pidfds,
} from "./namespaces.ts";
import { flags, type Plan, PlanBuilder } from "./plan.ts";
import { joinKeyring, openAttributes, openLabelFile, setOomScore, setUmask } from "./process-setup.ts";
import { makeRootReadonly, mountRoot, pivotRoot } from "./rootfs.ts";
import type { Linux, Process, Spec } from "./spec.ts";
import type { Named, Slot } from "./steps.ts";
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
  /**
   * A fifo of the host's: the process is executed when somebody writes into it (`tsrunc create`), and is a child of
   * whoever started the stage.
   */
  gate?: string;
  /** The process is a child of whoever started the stage, as with a gate: the stage ends when it has started. */
  toCaller?: boolean;
  /** Tell SYNC.pid over the control socket: when the process runs (or waits at the gate), and, for hooks, before. */
  control?: boolean;
  /** Stop for hooks (SYNC.hooks) before the root changes; needs `control`. */
  hooks?: boolean;
  /** fds above 2 that the process gets: the stage was given them as its fds from 6 on (or 7, see `firstPreserved`). */
  preserve?: { count: number; first: number };
  /** Of processes whose namespaces are joined; without, those are opened by their paths. */
  pidfds?: Pidfds;
  /** The keeper holds sockets for names, in the network namespace that is joined. */
  names?: NamesPorts;
  noPivot?: boolean;
  noNewKeyring?: boolean;
  /** Of the inherited streams: those to give to the process's user, and those that are /dev/null. */
  inherited?: { own: readonly number[]; null: readonly number[] };
}

/** Throws an `EngineError` for a specification that cannot be carried out. */
export function compileContainer(options: ContainerOptions): Plan {
  const { spec } = options;
  const process = spec.process;
  const linux = spec.linux ?? {};
  if (!process) throw new EngineError("invalid", "process property must not be empty");
  if (!process.cwd.startsWith("/")) throw new EngineError("invalid", "Cwd must be an absolute path");
  if (!linux.namespaces?.some(({ type }) => type === "mount")) {
    throw new EngineError("invalid", "unable to restrict sys entries without a private MNT namespace");
  }
  refuseHostNames(spec);
  const plan = new PlanBuilder();
  const compiler = new ContainerCompiler(plan, options, process, linux);
  compiler.firstProcess();
  return plan.build();
}

class ContainerCompiler {
  readonly #plan: PlanBuilder;
  readonly #options: ContainerOptions;
  readonly #process: Process;
  readonly #linux: Linux;
  readonly #scratch: number;
  readonly #pid: Slot;
  /** The parent may sleep until the child has executed: nothing has to happen between them. */
  readonly #vfork: boolean;

  constructor(plan: PlanBuilder, options: ContainerOptions, process: Process, linux: Linux) {
    this.#plan = plan;
    this.#options = options;
    this.#process = process;
    this.#linux = linux;
    this.#scratch = plan.fd();
    this.#pid = plan.slot("pid of the container");
    const newUser = linux.namespaces?.some(({ type, path }) => type === "user" && !path);
    this.#vfork = !options.init && !options.gate && !options.hooks && !newUser;
  }

  get #toCaller(): boolean {
    return this.#options.gate !== undefined || this.#options.toCaller === true;
  }

  /** The stage's own process: makes what outlives the container's start, and clones it. */
  firstProcess(): void {
    const plan = this.#plan;
    const { cgroup, keeper, io, gate } = this.#options;
    plan.call("prctl", [flags(PR, "PR_SET_DUMPABLE"), 0, 0, 0, 0], { label: "make the stage undumpable" });
    const kept = keeper && openKeeper(plan, keeper);
    createCgroup(plan, this.#scratch, cgroup, this.#linux.resources ?? {});
    const watches = keeper ? watchOom(plan, cgroup, { fd: this.#scratch, slot: this.#pid }) : [];
    const streams = prepareStreams(plan, io);
    const namespaces = openNamespaces(plan, this.#linux, this.#options.pidfds);
    const names = this.#options.names ? openNames(plan, namespaces, this.#options.names) : [];
    const gateFd = gate === undefined ? undefined : this.#openGate(gate);
    const alive = this.#vfork ? undefined : new Pipe(plan);
    const mapped = namespaces.isNew("user") ? new Pipe(plan) : undefined;
    const child = plan.label("the container");
    const into = openUnified(plan, plan.fd(), cgroup);
    plan.add({
      op: "clone",
      label: "clone the container's first process",
      flags: this.#cloneFlags(namespaces, into !== undefined),
      child,
      process: 1,
      slot: this.#pid,
      ...(into !== undefined && { cgroup: into }),
    });
    if (mapped) {
      mapIds(plan, this.#linux, { pid: this.#pid, scratch: this.#scratch });
      mapped.send(plan);
    }
    this.#afterClone({ ...streams, held: [...streams.held, ...names] }, alive, kept, watches);
    plan.place(child);
    this.#child({ streams, namespaces, alive, mapped, gate: gateFd });
  }

  #cloneFlags(namespaces: NamespacePlan, intoCgroup: boolean): Named {
    return flags(
      CLONE,
      ...namespaces.cloneFlags,
      ...(this.#vfork ? (["CLONE_VFORK"] as const) : []),
      ...(this.#toCaller ? (["CLONE_PARENT"] as const) : []),
      ...(intoCgroup ? (["CLONE_INTO_CGROUP"] as const) : []),
    );
  }

  /** What the parent does: a keeper keeps, another waits, or is done. */
  #afterClone(
    streams: Streams,
    alive: Pipe | undefined,
    kept: Kept | undefined,
    watches: readonly Watch[],
  ): void {
    const plan = this.#plan;
    const { control, hooks, keeper } = this.#options;
    const tell = () => plan.add({ op: "sync", tag: SYNC.pid, value: this.#pid, label: "tell the pid" });
    if (control && hooks) tell();
    alive?.waitForEnd(plan);
    if (control) tell();
    receiveTerminal(plan, streams);
    if (keeper && kept) {
      const held = streams.held;
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
    const labelFile = plan.fd();
    openAttributes(plan, this.#process, this.#scratch);
    openLabelFile(plan, this.#process, this.#scratch, labelFile);
    const init = this.#options.init ? this.#prepareInit() : undefined;
    this.#fileSystem(with_);
    if (spec.hostname) setName(plan, "sethostname", spec.hostname);
    if (spec.domainname) setName(plan, "setdomainname", spec.domainname);
    const { preserve, io, inherited } = this.#options;
    const own = io.kind === "inherit" ? (inherited?.own ?? []) : streamsOf(streams, io);
    runCommand(plan, {
      process: this.#process,
      linux: this.#linux,
      filter: this.#options.filter,
      own,
      labelFile,
      ...(init && { init }),
      ...(preserve && { preserve }),
      ...(with_.gate !== undefined && { gate: with_.gate }),
      ...(with_.alive && { alive: with_.alive.write }),
    });
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
  #fileSystem({ namespaces, streams }: ChildContext): void {
    const plan = this.#plan;
    const { spec, rootfs, cgroup, io, noPivot, hooks, inherited } = this.#options;
    const linux = this.#linux;
    const root = plan.fd();
    const propagation = linux.rootfsPropagation;
    mountRoot(plan, root, { rootfs, propagation });
    const at = inside(plan, root);
    const mounter = new Mounter(at);
    const newUser = namespaces.isNew("user");
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
    setSysctls(plan, this.#scratch, linux.sysctl ?? {}, namespaces.list);
    addReadonlyPaths(at, linux.readonlyPaths ?? []);
    addMaskedPaths(at, linux.maskedPaths ?? []);
    if (io.kind === "pty") this.#terminal(at, streams, io, ownDev);
    if (hooks) {
      plan.add({ op: "sync", tag: SYNC.hooks, label: "ask for hooks" });
      plan.add({ op: "await", tag: SYNC.hooks, label: "wait for hooks" });
    }
    makeFolders(at, this.#process.cwd, `mkdir ${this.#process.cwd}`);
    if (spec.root?.readonly) makeRootReadonly(plan, root);
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
  alive: Pipe | undefined;
  mapped: Pipe | undefined;
  gate: number | undefined;
}

const isBind = (type: string | undefined, options: readonly string[] = []): boolean =>
  type === "bind" || options.includes("bind") || options.includes("rbind");

/** Without a uts namespace of its own, the container would rename the host. */
function refuseHostNames({ hostname, domainname, linux }: Spec): void {
  if (linux?.namespaces?.some(({ type }) => type === "uts")) return;
  const name = hostname ? "hostname" : "domainname";
  if (hostname || domainname)
    throw new EngineError("invalid", `unable to set ${name} without a private UTS namespace`);
}

function setName(plan: PlanBuilder, call: "sethostname" | "setdomainname", name: string): void {
  const data = plan.string(name);
  plan.call(call, [data, data.size - 1], { label: call });
}

const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
/** "lo", little endian. */
const LO = 0x6f6c;

/** A new network namespace has a loopback that is down. */
function bringUpLoopback(plan: PlanBuilder, fd: number): void {
  const label = "bring the loopback interface up";
  const request = plan.struct(40, "{lo, IFF_UP}", [
    [0, "u16", LO],
    [16, "u16", IFF_UP],
  ]);
  plan.call("socket", [flags(SOCK, "AF_INET"), flags(SOCK, "SOCK_DGRAM", "SOCK_CLOEXEC"), 0], { label, fd });
  plan.call("ioctl", [fd, SIOCSIFFLAGS, request], { label });
}

/** A pipe between the first process and its child. */
class Pipe {
  readonly read: number;
  readonly write: number;

  constructor(plan: PlanBuilder) {
    this.read = plan.fd();
    this.write = plan.fd();
    pair(plan, "pipe2", this.read, this.write);
  }

  send(plan: PlanBuilder): void {
    plan.call("write", [this.write, plan.string("."), 1], { label: "let the container go on" });
  }

  receive(plan: PlanBuilder): void {
    const byte = plan.space(8, "a byte");
    plan.call("read", [this.read, byte, 1], { label: "wait for the first process" });
  }

  /** The child has executed, or has failed, when its end is closed. */
  waitForEnd(plan: PlanBuilder): void {
    const byte = plan.space(8, "a byte");
    plan.call("close", [this.write], { label: "close our end" });
    plan.call("read", [this.read, byte, 1], { label: "wait for the container" });
    plan.add({ op: "check", label: "the container failed" });
  }
}
