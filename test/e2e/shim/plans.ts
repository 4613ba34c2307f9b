/**
 * Plans for the shim's own tests: a program of the host's in a cgroup of its own, with a real keeper, and no
 * container around it. What a container is, is the runtime's business and tested there.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { pair, prepareStreams, takePipes } from "../../../src/engine/runtime/io.ts";
import { flags, named, type Plan, PlanBuilder } from "../../../src/engine/runtime/plan.ts";
import type { Compiled, Compilers, KeeperPaths } from "../../../src/engine/shim/compile.ts";
import type { ContainerIo, ExecLaunchRequest, LaunchRequest } from "../../../src/engine/shim/types.ts";
import { O } from "../../../src/ffi/file.ts";
import { SOCK } from "../../../src/ffi/socket-flags.ts";

const FREEZER = existsSync("/sys/fs/cgroup/freezer") ? "/sys/fs/cgroup/freezer" : "/sys/fs/cgroup";

export const cgroupOf = (id: string): string => `${FREEZER}/tsd-test-shim/${id}`;

interface What {
  args: string[];
  env: string[];
  io: ContainerIo;
  cgroup?: string;
}

export const compilers: Compilers = {
  container: (request: LaunchRequest, paths: KeeperPaths): Compiled => {
    const cgroup = cgroupOf(request.id);
    mkdirSync(cgroup, { recursive: true });
    const { args = [], env = [] } = request.spec.process ?? {};
    return { plan: plan({ args, env, io: request.io, cgroup }, paths), cgroups: [cgroup] };
  },
  exec: (request: ExecLaunchRequest, container, paths): Compiled => {
    const { args = [], env = [] } = request.process;
    return {
      plan: plan({ args, env, io: request.io, cgroup: container.record.cgroups[0] }, paths),
      cgroups: [],
    };
  },
};

function plan({ args, env, io, cgroup }: What, paths: KeeperPaths): Plan {
  writeFileSync(paths.exitRecord, Buffer.alloc(72));
  const plan = new PlanBuilder();
  const listen = plan.fd();
  const record = plan.fd();
  const pidfd = plan.fd();
  const label = "listen for shims";
  const name = new TextEncoder().encode(`\x01\0${paths.socket}\0`);
  const address = plan.bytes(name, paths.socket);
  const kind = flags(SOCK, "SOCK_STREAM", "SOCK_CLOEXEC");
  plan.call("setsid", []);
  plan.call("prctl", [named("PR_SET_CHILD_SUBREAPER", 36), 1, 0, 0, 0]);
  plan.call("socket", [flags(SOCK, "AF_UNIX"), kind, 0], { label, fd: listen });
  plan.call("unlinkat", [-100, plan.string(paths.socket), 0], { label, tolerate: "all" });
  plan.call("bind", [listen, address, address.size], { label });
  plan.call("listen", [listen, 8], { label });
  const how = flags(O, "O_RDWR", "O_CLOEXEC");
  plan.call("openat", [-100, plan.string(paths.exitRecord), how, 0], {
    label: "open exit record",
    fd: record,
  });
  const streams = io.kind === "pipes" ? prepareStreams(plan, { kind: "pipes", stdin: io.stdin }) : undefined;
  const master = plan.fd();
  const slave = plan.fd();
  if (io.kind === "pty") {
    plan.call("openat", [-100, plan.string("/dev/ptmx"), flags(O, "O_RDWR", "O_NOCTTY", "O_CLOEXEC"), 0], {
      label: "open a terminal",
      fd: master,
    });
    plan.call("ioctl", [master, named("TIOCSPTLCK", 0x40045431), plan.space(4, "0")]);
    plan.call("ioctl", [master, named("TIOCGPTPEER", 0x5441), flags(O, "O_RDWR", "O_NOCTTY", "O_CLOEXEC")], {
      label: "open its other side",
      fd: slave,
    });
  }
  const child = plan.label("child");
  const pid = plan.slot("pid");
  const ready = { read: plan.fd(), write: plan.fd() };
  pair(plan, "pipe2", ready.read, ready.write);
  plan.add({
    op: "clone",
    flags: named("CLONE_PIDFD|CLONE_VFORK", 0x1000 | 0x4000),
    slot: pid,
    fd: pidfd,
    child,
    process: 1,
    label: "clone the process",
  });
  const held =
    io.kind === "pty"
      ? ([
          { name: "master", fd: master },
          { name: "slave", fd: slave },
        ] as const)
      : (streams?.held ?? []);
  plan.add({
    op: "keep",
    pid,
    held: [...held, { name: "pidfd", fd: pidfd }],
    listen,
    record,
    bootId: "",
    label: "keep",
  });
  plan.place(child);
  plan.call("setsid", []);
  if (cgroup !== undefined) {
    const zero = plan.bytes(new TextEncoder().encode("0"), "0");
    const procs = plan.fd();
    plan.call("openat", [-100, plan.string(`${cgroup}/cgroup.procs`), flags(O, "O_WRONLY", "O_CLOEXEC"), 0], {
      label: `open ${cgroup}`,
      fd: procs,
    });
    plan.call("write", [procs, zero, 1], { label: `join ${cgroup}` });
  }
  if (streams !== undefined) takePipes(plan, streams);
  if (io.kind === "pty") {
    plan.call("ioctl", [slave, named("TIOCSCTTY", 0x540e), 0]);
    for (const fd of [0, 1, 2]) plan.call("dup3", [slave, fd, 0]);
  }
  plan.call("execve", [plan.string(args[0]!), plan.strings(args), plan.strings(env)], {
    label: `exec: "${args[0]}"`,
  });
  return plan.build();
}
