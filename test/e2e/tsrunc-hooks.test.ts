/** Hooks of every kind, by tsrunc and by Debian's runc: the same order, the same place, the same rights and the same state. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Hook, Hooks, Spec } from "../../src/engine/runtime/spec.ts";
import { Bundles, until } from "../support/bundles.ts";

const bundles = new Bundles();
const { base } = bundles;
/** What hooks write down: bound into the container at /notes. */
const notes = join(base, "notes");
const runtimes = { tsrunc: bundles.program, runc: "runc" } as const;
type Runtime = keyof typeof runtimes;

afterAll(() => bundles.sweep());

beforeEach(() => {
  rmSync(notes, { recursive: true, force: true });
  mkdirSync(notes);
  mkdirSync(join(bundles.rootfs, "notes"), { recursive: true });
});

const call = (runtime: Runtime, ...words: string[]) =>
  bundles.command([runtimes[runtime], "--root", join(base, `state-${runtime}`), ...words]);

const sh = (script: string, rest: Partial<Hook> = {}): Hook => ({
  path: "/bin/busybox",
  args: ["sh", "-c", script],
  env: ["PATH=/usr/bin:/bin", "A=1"],
  ...rest,
});

const bundleWith = (
  hooks: Hooks,
  args = ["sh", "-c", "echo command >>/notes/order"],
  change?: (spec: Spec) => void,
) =>
  bundles.bundle("hooked", args, (spec) => {
    spec.mounts!.push({ destination: "/notes", type: "bind", source: notes, options: ["bind", "rw"] });
    spec.process!.user = { uid: 0, gid: 0 };
    spec.hooks = hooks;
    change?.(spec);
  });

const note = (name: string): string => readFileSync(join(notes, name), "utf8");
const run = (runtime: Runtime, folder: string) => call(runtime, "run", "--bundle", folder, "hooked");
/** Containers that are remembered; filters are kept beside them. */
const left = (runtime: Runtime) =>
  readdirSync(join(base, `state-${runtime}`)).filter((name) => !name.endsWith("@"));

/** What both make of the same, the notes emptied in between. */
function both<Result>(play: (runtime: Runtime) => Result): [ours: Result, theirs: Result] {
  const one = (runtime: Runtime): Result => {
    rmSync(notes, { recursive: true, force: true });
    mkdirSync(notes);
    return play(runtime);
  };
  return [one("tsrunc"), one("runc")];
}

test("run in the specification's order", () => {
  const outside = (kind: string) => [
    sh(`echo ${kind} 1 >>${notes}/order`),
    sh(`echo ${kind} 2 >>${notes}/order`),
  ];
  const folder = bundleWith({
    poststop: outside("poststop"),
    startContainer: [sh("echo startContainer 1 >>/notes/order"), sh("echo startContainer 2 >>/notes/order")],
    createContainer: outside("createContainer"),
    createRuntime: outside("createRuntime"),
    prestart: outside("prestart"),
  });
  const [ours, theirs] = both((runtime) => ({
    ...run(runtime, folder),
    order: note("order"),
    left: left(runtime),
  }));
  expect(ours).toEqual(theirs);
  expect(ours.order.split("\n").slice(4, 9)).toEqual([
    "createContainer 1",
    "createContainer 2",
    "startContainer 1",
    "startContainer 2",
    "command",
  ]);
});

test("that mount in the root, by the host's name of it, mount in the container's", () => {
  const { rootfs } = bundles;
  for (const name of ["by-runtime", "by-container"]) mkdirSync(join(rootfs, name), { recursive: true });
  const pid = "$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/')";
  const folder = bundleWith(
    {
      createRuntime: [sh(`nsenter -m -t ${pid} /bin/mount --bind ${notes} ${rootfs}/by-runtime`)],
      createContainer: [sh(`echo x >/dev/null && mount --bind ${notes} by-container`)],
    },
    ["sh", "-c", "echo from the host >/notes/file; cat /by-runtime/file /by-container/file"],
  );
  const [ours, theirs] = both((runtime) => run(runtime, folder));
  expect(ours).toEqual(theirs);
  expect(ours).toEqual({ status: 0, stdout: "from the host\nfrom the host\n", stderr: "" });
});

/** Of a process: what tells where it is and what it may. */
const SELF =
  "for n in mnt pid uts ipc net user; do readlink /proc/self/ns/$n; done; echo $0 $A $(pwd); " +
  "grep -E 'NoNewPrivs|Cap(Eff|Bnd|Prm)|Seccomp:|Uid|Gid' /proc/self/status; env | grep -v SHLVL | sort";

/** Namespaces have other numbers each time. */
const masked = (text: string): string => text.replaceAll(/:\[\d+\]$/gm, "");

describe.each(["createContainer", "startContainer"] as const)("%s", (kind) => {
  const at = kind === "createContainer" ? notes : "/notes";

  test("is told the state, with the pid that the container sees", () => {
    const folder = bundleWith({ [kind]: [sh(`cat >${at}/state`)] });
    const [ours, theirs] = both((runtime) => {
      const result = run(runtime, folder);
      const { ociVersion: _, annotations: __, ...state } = JSON.parse(note("state"));
      return { ...result, state };
    });
    expect(ours).toEqual(theirs);
    expect(ours.state).toMatchObject({
      id: "hooked",
      pid: 1,
      status: kind === "createContainer" ? "creating" : "created",
      bundle: folder,
    });
  });

  test("has the container's namespaces, and the rights of its time", () => {
    const folder = bundleWith({ [kind]: [sh(`(${SELF}) >${at}/self`)] }, [
      "sh",
      "-c",
      `(for n in mnt pid uts ipc net user; do readlink /proc/self/ns/$n; done) >/notes/command`,
    ]);
    const [ours, theirs] = both((runtime) => {
      const result = run(runtime, folder);
      const namespaces = note("command").trim().split("\n");
      // Its own namespaces are the command's.
      return { ...result, same: note("self").startsWith(namespaces.join("\n")), self: masked(note("self")) };
    });
    expect(ours.same).toBe(true);
    expect(ours).toEqual(theirs);
  });

  test("that fails ends the container, and says so", () => {
    const folder = bundleWith({ [kind]: [sh("echo out; echo err >&2; exit 3"), sh(`touch ${at}/second`)] });
    const result = run("tsrunc", folder);
    expect([result.status, result.stdout]).toEqual([1, ""]);
    expect(result.stderr).toContain(
      `error running ${kind} hook #0: exit status 3, stdout: out\\n, stderr: err\\n`,
    );
    expect([existsSync(join(notes, "second")), existsSync(join(notes, "order"))]).toEqual([false, false]);
    expect(left("tsrunc")).toEqual([]);
    expect(bundles.cgroupsOf("hooked")).toEqual([]);
  });

  test("that is not there fails", () => {
    const { status, stderr } = run("tsrunc", bundleWith({ [kind]: [{ path: "/nothing/here" }] }));
    expect(status).toBe(1);
    expect(stderr).toContain(
      `error running ${kind} hook #0: fork/exec /nothing/here: no such file or directory`,
    );
  });

  test("is ended when its time is over", () => {
    const folder = bundleWith({ [kind]: [sh("echo begun; sleep 60", { timeout: 1 })] });
    const begin = performance.now();
    const { status, stderr } = run("tsrunc", folder);
    expect(performance.now() - begin).toBeLessThan(20_000);
    expect(status).toBe(1);
    expect(stderr).toContain(`error running ${kind} hook #0: hook ran past specified timeout of 1.0s`);
    expect(left("tsrunc")).toEqual([]);
  });
});

test("one before the start is ended when its time is over, too", () => {
  const folder = bundleWith({ createRuntime: [sh("sleep 60", { timeout: 1 })] });
  const { status, stderr } = run("tsrunc", folder);
  expect(status).toBe(1);
  expect(stderr).toContain("error running createRuntime hook #0: hook ran past specified timeout of 1.0s");
});

test("of a created container startContainer's wait for the start", async () => {
  const folder = bundleWith({
    createContainer: [sh(`echo create >>${notes}/order`)],
    startContainer: [sh("echo start >>/notes/order")],
    poststart: [sh(`echo poststart >>${notes}/begun`)],
  });
  for (const runtime of ["tsrunc", "runc"] as const) {
    rmSync(notes, { recursive: true, force: true });
    mkdirSync(notes);
    const create = Bun.spawnSync(
      [runtimes[runtime], "--root", join(base, `state-${runtime}`), "create", "--bundle", folder, "hooked"],
      { stdio: ["ignore", "ignore", "ignore"] },
    );
    expect([runtime, create.exitCode, note("order")]).toEqual([runtime, 0, "create\n"]);
    expect(call(runtime, "start", "hooked").status).toBe(0);
    await until(() => note("order").includes("command"));
    expect([note("order"), note("begun")]).toEqual(["create\nstart\ncommand\n", "poststart\n"]);
    expect(call(runtime, "delete", "--force", "hooked").status).toBe(0);
  }
});

test("one of startContainer's that fails leaves a created container stopped", () => {
  const folder = bundleWith({ startContainer: [sh("exit 4")] });
  const words = [
    runtimes.tsrunc,
    "--root",
    join(base, "state-tsrunc"),
    "create",
    "--bundle",
    folder,
    "hooked",
  ];
  expect(Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
  const { status, stderr } = call("tsrunc", "start", "hooked");
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining("error running startContainer hook #0: exit status 4"),
  ]);
  expect(JSON.parse(call("tsrunc", "state", "hooked").stdout).status).toBe("stopped");
  expect(existsSync(join(notes, "order"))).toBe(false);
  expect(call("tsrunc", "delete", "hooked").status).toBe(0);
});

test("startContainer's run as the container's user, by its filter", () => {
  const folder = bundleWith(
    {
      startContainer: [
        sh("id -u >/notes/user; mkdir /notes/x; grep Seccomp: /proc/self/status >>/notes/user"),
      ],
    },
    undefined,
    (spec) => {
      spec.process!.user = { uid: 7, gid: 8 };
      spec.process!.args = ["true"];
    },
  );
  const [ours, theirs] = both((runtime) => {
    Bun.spawnSync(["chmod", "1777", notes]);
    return { ...run(runtime, folder), user: note("user") };
  });
  expect(ours).toEqual(theirs);
  expect(ours.user).toBe("7\nSeccomp:\t2\n");
});

test("a terminal is the command's alone, and what it prints comes as it is", async () => {
  const folder = bundleWith(
    { startContainer: [sh("tty >/notes/hook || true")] },
    ["sh", "-c", "tty; stty size; exit 6"],
    (spec) => {
      spec.process!.terminal = true;
    },
  );
  let shown = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn(
    [runtimes.tsrunc, "--root", join(base, "state-tsrunc"), "run", "--bundle", folder, "hooked"],
    {
      terminal: {
        cols: 90,
        rows: 20,
        data: (_, bytes) => {
          shown += decoder.decode(bytes, { stream: true });
        },
      },
    },
  );
  expect([await child.exited, shown]).toEqual([6, "/dev/pts/0\r\n20 90\r\n"]);
  expect(note("hook")).toBe("not a tty\n");
});
