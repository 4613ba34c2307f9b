import { describe, expect, test } from "bun:test";
import { cgroupOf, detectCgroups } from "../../../../src/engine/runtime/cgroup-layout.ts";
import { type ContainerOptions, compileContainer } from "../../../../src/engine/runtime/container.ts";
import { encodePlan } from "../../../../src/engine/runtime/encode.ts";
import { startFailure } from "../../../../src/engine/runtime/failure.ts";
import { type Plan, STAGE_FD } from "../../../../src/engine/runtime/plan.ts";
import { compileFilter } from "../../../../src/engine/runtime/seccomp.ts";
import { defaultSeccomp } from "../../../../src/engine/runtime/seccomp-default.ts";
import type { Spec } from "../../../../src/engine/runtime/spec.ts";
import type { Data, SyscallStep } from "../../../../src/engine/runtime/steps.ts";

const CGROUP = cgroupOf(
  detectCgroups("30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n"),
  "/t/id",
  "id",
);

function spec(change: (spec: Spec) => void = () => {}): Spec {
  const made: Spec = {
    ociVersion: "1.2.0",
    process: { cwd: "/", args: ["true"], env: ["PATH=/bin"], capabilities: {}, noNewPrivileges: true },
    root: { path: "/r" },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: {
      namespaces: [{ type: "pid" }, { type: "mount" }, { type: "network" }],
      seccomp: defaultSeccomp([]),
      maskedPaths: ["/proc/keys"],
    },
  };
  change(made);
  return made;
}

const compile = (of: Spec, begin?: (first: Plan) => void, more: Partial<ContainerOptions> = {}): Plan =>
  compileContainer(
    {
      id: "id",
      spec: of,
      rootfs: { kind: "path", path: "/r" },
      filter: of.linux?.seccomp && compileFilter(of.linux.seccomp),
      io: { kind: "inherit" },
      cgroup: CGROUP,
      ...more,
    },
    begin,
  );

const calls = (plan: Plan): string[] =>
  plan.steps.filter((step): step is SyscallStep => step.op === "syscall").map(({ name }) => name);

describe("the order of a start", () => {
  test("rights are given up last: capabilities, then the filter, then the command", () => {
    const order = calls(compile(spec()));
    const at = ["pivot_root", "close_range", "setresuid", "capset", "seccomp", "execve"].map((name) =>
      order.lastIndexOf(name),
    );
    expect(at).toEqual(at.toSorted((a, b) => a - b));
    expect(order.at(-1)).toBe("exit_group");
  });

  test("without no-new-privileges the filter goes in before the capabilities that it needs are gone", () => {
    const order = calls(compile(spec((s) => (s.process!.noNewPrivileges = false))));
    expect(order.indexOf("seccomp")).toBeLessThan(order.indexOf("capset"));
  });

  test("one that is held waits for its start when all is done but the execution, its control socket still open", () => {
    const { steps } = compile(spec(), undefined, { held: true });
    const waits = steps.findIndex(({ op }) => op === "await");
    const before = ["pivot_root", "setresuid", "capset", "seccomp"];
    const last = steps.findLastIndex((step) => step.op === "syscall" && before.includes(step.name));
    expect(waits).toBeGreaterThan(last);
    expect(waits).toBeLessThan(steps.findIndex((step) => step.op === "syscall" && step.name === "execve"));
    const closed = steps.flatMap((step) =>
      step.op === "syscall" && step.name === "close_range" ? [step.args.slice(0, 2).map(Number)] : [],
    );
    expect(closed.length).toBeGreaterThan(1);
    expect(closed.some(([from, to]) => from! <= STAGE_FD.control && STAGE_FD.control <= to!)).toBe(false);
    expect(compile(spec()).steps.some(({ op }) => op === "await")).toBe(false);
  });

  test("nothing is mounted by a path, but what changes propagation and lets go of the old root", () => {
    const mounts = compile(spec()).steps.filter(
      (step): step is SyscallStep => step.op === "syscall" && step.name === "mount",
    );
    for (const { args } of mounts) expect([args[0], args[2]]).toEqual([0, 0]);
  });

  test("sysctls are written through the container's own procfs, by its descriptor, and nothing over it", () => {
    const plan = compile(
      spec((s) => {
        s.linux!.sysctl = { "net.ipv4.ip_forward": "1" };
      }),
    );
    const calls = plan.steps.filter((step): step is SyscallStep => step.op === "syscall");
    const mounted = calls.find(({ name, label }) => name === "fsmount" && label.includes('"/proc"'))!;
    const opened = calls.find(({ label }) => label === "open /proc/sys/net/ipv4/ip_forward")!;
    expect(mounted.fd).toBeDefined();
    expect(opened.args[0]).toEqual(mounted.fd!);
    expect(opened.args[2]).toMatchObject({
      show: expect.stringContaining("RESOLVE_NO_SYMLINKS|RESOLVE_BENEATH|RESOLVE_NO_XDEV"),
    });
    const others = calls.filter(({ name, fd }) => name === "fsmount" && fd === mounted.fd);
    expect(others).toHaveLength(1);
  });

  test("sysctls without a procfs to write to, and labels, are written by the host's /proc, before the root is another, and only on a procfs", () => {
    const plan = compile(
      spec((s) => {
        s.mounts!.find(({ type }) => type === "proc")!.options = ["ro"];
        s.linux!.sysctl = { "net.ipv4.ip_forward": "1" };
        s.process!.apparmorProfile = "guarded";
      }),
    );
    const order = plan.steps.map((step) => (step.op === "syscall" ? step.name : step.op));
    const at = (label: string) => plan.steps.findIndex((step) => step.label.startsWith(label));
    for (const label of ["open /proc/sys/net/ipv4/ip_forward", "open the security label"]) {
      const begin = at(label);
      expect(begin).toBeGreaterThan(0);
      expect(order.indexOf("fstatfs", begin)).toBeLessThan(order.indexOf("pivot_root"));
    }
    expect(plan.steps.filter(({ label }) => label.endsWith("not on a procfs"))).toHaveLength(2);
  });
});

describe("a specification that cannot be carried out says why", () => {
  const refused = (change: (spec: Spec) => void) => () => compile(spec(change));
  test("a mount inside /proc", () => {
    expect(refused((s) => s.mounts!.push({ destination: "/proc/self", type: "tmpfs" }))).toThrow(
      "it is inside /proc",
    );
    expect(
      refused((s) => s.mounts!.push({ destination: "/proc/../proc/1", type: "bind", source: "/x" })),
    ).toThrow("inside /proc");
  });
  test("a mount over the root", () => {
    expect(refused((s) => s.mounts!.push({ destination: "/x/..", type: "tmpfs" }))).toThrow(
      "on the top of rootfs",
    );
  });
  test("sysctls of the host", () => {
    expect(refused((s) => (s.linux!.sysctl = { "kernel.panic": "1" }))).toThrow(
      "is not in a separate kernel namespace",
    );
    expect(refused((s) => (s.linux!.sysctl = { "kernel.shmmax": "1" }))).toThrow("hosts ipc namespace");
    expect(refused((s) => (s.linux!.sysctl = { "net/../kernel/panic": "1" }))).toThrow();
  });
  test("a name, without a uts namespace to give it to: it would be the host's", () => {
    expect(refused((s) => (s.hostname = "x"))).toThrow(
      "unable to set hostname without a private UTS namespace",
    );
    expect(refused((s) => (s.domainname = "x"))).toThrow(
      "unable to set domainname without a private UTS namespace",
    );
  });
  test("ids that are none: to setresuid(2) the last one means to stay root", () => {
    for (const id of [-1, 2 ** 32 - 1, 2 ** 31, 1.5, "0" as unknown as number]) {
      for (const user of [
        { uid: id, gid: 0 },
        { uid: 0, gid: id },
        { uid: 0, gid: 0, additionalGids: [id] },
      ])
        expect(refused((s) => (s.process!.user = user))).toThrow("must be in range 0-2147483647");
    }
  });
  test("an unknown limit, device type and namespace", () => {
    expect(refused((s) => (s.process!.rlimits = [{ type: "RLIMIT_X", soft: 1, hard: 1 }]))).toThrow(
      "invalid rlimit type",
    );
    expect(refused((s) => (s.linux!.devices = [{ path: "/dev/x", type: "z" }]))).toThrow(
      "not a valid device type",
    );
    expect(refused((s) => s.linux!.namespaces!.push({ type: "pid" }))).toThrow("duplicated ns");
  });
});

describe("a failed step in runc's words", () => {
  const failed = (label: string, errno: number, process = 1) =>
    startFailure({ label, errno, process, message: `${label}: reason` });
  test("a command that is not there is 127, one that cannot be executed 126", () => {
    expect(failed('exec: "x": executable file not found in $PATH', 2)).toEqual({
      message: 'unable to start container process: exec: "x": executable file not found in $PATH',
      status: 127,
    });
    expect(failed('exec: "/etc/passwd"', 13)).toEqual({
      message: 'unable to start container process: exec: "/etc/passwd": reason',
      status: 126,
    });
  });
  test("what fails inside is told from what fails outside", () => {
    expect(failed("sethostname", 1).message).toContain("error during container init: sethostname: reason");
    expect(failed("create cgroup", 1, 0).message).toBe(
      "unable to start container process: create cgroup: reason",
    );
  });
});

test("a start is noted before the command is executed: whoever hears of it finds it", () => {
  const note = { stat: "/run/one/stat", from: "/run/one/.state.json", to: "/run/one/state.json" };
  const { steps } = compileContainer({
    id: "id",
    spec: spec(),
    rootfs: { kind: "path", path: "/r" },
    filter: compileFilter(defaultSeccomp([])),
    io: { kind: "inherit" },
    cgroup: CGROUP,
    control: true,
    toCaller: true,
    note,
  });
  const order = steps.map((step) => (step.op === "syscall" ? step.name : step.op));
  const clone = steps.find((step) => step.op === "clone")!;
  const noted = order.indexOf("renameat2");
  // The parent goes on while its child waits to hear of it.
  expect(clone.flags).toMatchObject({ show: expect.not.stringContaining("CLONE_VFORK") });
  const at = (label: string) => steps.findIndex((step) => step.label === label);
  expect(at("let the container go on")).toBe(noted + 1);
  expect(order.indexOf("sync")).toBeGreaterThan(noted);
  const heard = at("wait for the first process");
  expect(heard).toBeGreaterThan(clone.child.at);
  expect(heard).toBeLessThan(order.indexOf("execve"));
  expect((steps[order.indexOf("renameat2")] as SyscallStep).args).toMatchObject([
    -100,
    { show: JSON.stringify(note.from) },
    -100,
    { show: JSON.stringify(note.to) },
    0,
  ]);
});

describe("in two parts", () => {
  test("it is the same plan: the first has the cgroup and the namespaces, the second the mounts and the command", () => {
    let first: Plan | undefined;
    const second = compile(spec(), (part) => (first = part));
    const told = (steps: Plan["steps"]) =>
      steps.map((step) => [step.op, step.label, step.op === "syscall" && step.name]);
    expect(first?.steps.at(-1)?.op).toBe("more");
    expect(told([...first!.steps.slice(0, -1), ...second.steps])).toEqual(told(compile(spec()).steps));
    expect(first!.steps.map(({ op }) => op)).toContain("clone");
    expect(calls(first!)).not.toContain("fsopen");
    expect(calls(second)).toContain("execve");
  });

  test("each can be encoded by itself, whatever the specification asks for", () => {
    const path = "/proc/42/ns/pid";
    const changes: ((s: Spec) => void)[] = [
      () => {},
      (s) => (s.linux!.namespaces = [{ type: "pid", path }, { type: "mount" }]),
      (s) => {
        s.linux!.namespaces!.push({ type: "user" });
        s.linux!.uidMappings = s.linux!.gidMappings = [{ containerID: 0, hostID: 1000, size: 10 }];
      },
    ];
    for (const change of changes) {
      let first: Plan | undefined;
      const second = compile(spec(change), (part) => (first = part));
      expect(() => [encodePlan(first!), encodePlan(second)]).not.toThrow();
    }
  });
});

describe("a pid namespace that is joined", () => {
  const path = "/proc/42/ns/pid";
  const joins = (s: Spec): void => {
    s.linux!.namespaces = [{ type: "pid", path }, { type: "mount" }];
    s.process!.apparmorProfile = "guarded";
  };
  const { steps } = compile(spec(joins));
  const entered = steps.flatMap(({ label }, at) => (label === "join pid namespace" ? [at] : []));
  const cloned = steps.findLastIndex(({ op }) => op === "clone");

  test("is entered by the process proper alone, when its root is its own and nothing of the host's is open", () => {
    expect(entered.length).toBe(1);
    const after = calls({ ...compile(spec(joins)), steps: steps.slice(entered[0]!, cloned) });
    expect(after).toEqual(["setns", "close_range", "close_range", "madvise"]);
    const before = calls({ ...compile(spec(joins)), steps: steps.slice(0, entered[0]!) });
    expect(before).toContain("pivot_root");
    expect(calls({ ...compile(spec(joins)), steps: steps.slice(cloned) })).not.toContain("pivot_root");
  });

  test("is shown by a /proc that was opened there once, from an empty root and with nothing open", () => {
    const opened = steps.flatMap((step, at) =>
      step.op === "syscall" && step.name === "fsopen" && (step.args[0] as Data).show === '"proc"' ? [at] : [],
    );
    expect(opened.length).toBe(1);
    const before = steps.slice(0, opened[0]).map((step) => (step.op === "syscall" ? step.name : step.op));
    const order = ["pivot_root", "setns", "close_range", "clone"].map((name) =>
      before.lastIndexOf(name as never),
    );
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order[0]).toBeGreaterThan(0);
  });

  test("is entered on both architectures", () => {
    for (const arch of ["x86_64", "aarch64"] as const)
      expect(encodePlan(compile(spec(joins)), { arch }).length).toBeGreaterThan(0);
  });
});
