/**
 * What tsrunc says of bundles and calls that are wrong, in the sense of runc's words, and that it leaves nothing of
 * them. Needs root, busybox-static.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { detectCgroups } from "../../src/engine/runtime/cgroup-layout.ts";
import type { Spec } from "../../src/engine/runtime/spec.ts";
import { Bundles, type Result, until } from "../support/bundles.ts";

const UNIFIED = existsSync("/sys/fs/cgroup/cgroup.controllers");
const MINUTE = 60_000;
let bundles: Bundles;
const tsrunc = (...args: string[]): Result => bundles.tsrunc(...args);

beforeAll(() => {
  bundles = new Bundles({ built: true });
});
afterEach(() => {
  tsrunc("delete", "--force", "one");
});
afterAll(() => bundles.sweep());

/** Of the log's line. */
const told = (stderr: string): string => JSON.parse(/ msg=(".*")\n/.exec(stderr)?.[1] ?? '""');
const folders = (): string[] => {
  if (!existsSync(bundles.state)) return [];
  return readdirSync(bundles.state).filter((name) => !name.includes("seccomp"));
};

function run(change: (spec: Spec) => void, command = ["true"]): Result {
  const folder = bundles.bundle("one", command, change);
  const result = tsrunc("run", "--bundle", folder, "one");
  expect([folders(), bundles.cgroupsOf("one")]).toEqual([[], []]);
  return result;
}

/** Of a bundle that cannot run. */
function failure(change: (spec: Spec) => void): string {
  const { status, stdout, stderr } = run(change);
  expect([status, stdout]).toEqual([1, ""]);
  const line = told(stderr);
  expect(line).toStartWith("runc run failed: ");
  return line.slice("runc run failed: ".length);
}

function failureOfText(text: string): string {
  const folder = bundles.bundle("one", ["true"]);
  writeFileSync(join(folder, "config.json"), text);
  const { status, stderr } = tsrunc("run", "--bundle", folder, "one");
  expect(status).toBe(1);
  return told(stderr);
}

/** As it comes out of JSON, whatever the types say. */
// biome-ignore lint/suspicious/noExplicitAny: The test is about what is none of the types.
const put = (change: (spec: any) => void): string => failure(change);

describe("of a configuration", () => {
  test(
    "that is not one it says what is not",
    () => {
      expect(failureOfText("{}")).toBe("runc run failed: process property must not be empty");
      expect(failureOfText("null")).toBe("runc run failed: process property must not be empty");
      expect(failureOfText("[]")).toBe(
        "runc run failed: json: cannot unmarshal array into Go value of type specs.Spec",
      );
      expect(
        put((spec) => {
          spec.ociVersion = 1;
        }),
      ).toBe("json: cannot unmarshal number into Go struct field Spec.ociVersion of type string");
      expect(
        put((spec) => {
          spec.process.user = "root";
        }),
      ).toStartWith("json: cannot unmarshal string into Go struct field Process.process.user of type ");
      expect(
        put((spec) => {
          delete spec.root;
        }),
      ).toBe("root must be specified");
      expect(
        put((spec) => {
          spec.linux.devices = [{ type: "c", major: 1, minor: 3 }];
        }),
      ).toBe("a device of the specification has no path");
      expect(
        put((spec) => {
          spec.mounts.push({ type: "tmpfs", source: "tmpfs" });
        }),
      ).toBe('the mount of "tmpfs" has no destination');
      expect(
        put((spec) => {
          spec.linux.namespaces.push({});
        }),
      ).toBe('namespace "" does not exist');
    },
    MINUTE,
  );

  test(
    "a limit is a number, and is not left out",
    () => {
      expect(
        put((spec) => {
          spec.linux.resources.memory = { limit: "64m" };
        }),
      ).toBe(
        "json: cannot unmarshal string into Go struct field LinuxMemory.linux.resources.memory.limit of type int64",
      );
      expect(
        put((spec) => {
          spec.linux.resources.pids = { limit: "x" };
        }),
      ).toBe(
        "json: cannot unmarshal string into Go struct field LinuxPids.linux.resources.pids.limit of type int64",
      );
      expect(
        put((spec) => {
          spec.linux.intelRdt = { l3CacheSchema: "L3:0=f" };
        }),
      ).toBe("intelRdt.l3CacheSchema is specified in config, but Intel RDT is not supported");
      if (UNIFIED) return;
      expect(
        failure((spec) => {
          spec.linux!.resources!.unified = { "memory.high": "1" };
        }),
      ).toBe("invalid configuration: cannot use unified on cgroup v1");
      expect(
        failure((spec) => {
          spec.linux!.resources!.cpu = { shares: 1 };
        }),
      ).toBe("the minimum allowed cpu-shares is 2");
    },
    MINUTE,
  );

  test(
    "the root, and a namespace, are named",
    () => {
      const wrong = {
        "/nothing/here": "stat /nothing/here: no such file or directory",
        "/etc/passwd": "/etc/passwd is no folder",
      };
      for (const [path, reason] of Object.entries(wrong))
        expect(
          failure((spec) => {
            spec.root!.path = path;
          }),
        ).toBe(`invalid rootfs: ${reason}`);
      const network = (path: string): string =>
        failure((spec) => {
          spec.linux!.namespaces!.find(({ type }) => type === "network")!.path = path;
        });
      expect(network("/nothing")).toContain("open network namespace /nothing: no such file or directory");
      expect(network("/etc/passwd")).toContain("join network namespace /etc/passwd: invalid argument");
      expect(tsrunc("run", "--bundle", "/nothing/here", "one").stderr).toContain(
        "chdir /nothing/here: no such file or directory",
      );
    },
    MINUTE,
  );

  test(
    "capabilities that are unknown are a warning",
    () => {
      const { status, stderr } = run((spec) => {
        spec.process!.capabilities = {
          bounding: ["CAP_KILL", "CAP_NEW", "cap_kill"],
          permitted: ["CAP_NEW"],
        };
      });
      expect([status, told(stderr)]).toEqual([
        0,
        "ignoring unknown or unavailable capabilities: [CAP_NEW cap_kill]",
      ]);
      expect(stderr).toContain("level=warning");
    },
    MINUTE,
  );

  test(
    "an ambient capability that cannot be is a warning, and who says only a uid has group 0",
    () => {
      const { status, stdout, stderr } = run(
        (spec) => {
          spec.process!.capabilities = {
            bounding: ["CAP_KILL"],
            permitted: ["CAP_KILL"],
            ambient: ["CAP_KILL"],
          };
          spec.process!.user = { uid: 0 } as { uid: number; gid: number };
        },
        ["id", "-g"],
      );
      expect([status, stdout, told(stderr)]).toEqual([
        0,
        "0\n",
        "can't raise ambient capability CAP_KILL: operation not permitted",
      ]);
    },
    MINUTE,
  );

  test(
    "a cgroup in which something runs is not taken: it would end with the container",
    async () => {
      const folder = bundles.bundle("one", ["sleep", "1000"]);
      const words = bundles.words("run", "--detach", "--bundle", folder, "one");
      expect(Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
      const { status, stderr } = tsrunc("run", "--bundle", folder, "two");
      expect([status, told(stderr)]).toEqual([
        1,
        "runc run failed: container's cgroup is not empty: 1 process(es) found",
      ]);
      expect(folders()).toEqual(["one"]);
      expect(JSON.parse(tsrunc("state", "one").stdout).status).toBe("running");
    },
    MINUTE,
  );

  test(
    "what is null is not there, a bind mount may come from the bundle, and an access that is none is passed over",
    () => {
      const folder = bundles.bundle("one", ["cat", "/tmp/config"], (spec) => {
        const left = spec as unknown as { linux: Record<string, unknown>; hooks: null };
        left.linux.timeOffsets = null;
        left.hooks = null;
        spec.linux!.namespaces!.push({ type: "time" });
        spec.linux!.resources!.devices!.push({ allow: false, type: "c", major: 1, minor: 11, access: "rwa" });
        const options = ["bind"];
        spec.mounts!.push({ destination: "/tmp/config", type: "bind", source: "./config.json", options });
      });
      const { status, stdout, stderr } = tsrunc("run", "--bundle", folder, "one");
      expect([status, stderr]).toEqual([0, ""]);
      expect(JSON.parse(stdout).process.args).toEqual(["cat", "/tmp/config"]);
      expect(
        put((spec) => {
          spec.linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "0" };
        }),
      ).toBe("linux.memoryPolicy is specified in config, but is not supported");
    },
    MINUTE,
  );

  test(
    "a cgroup that is frozen is not taken: nothing would ever start in it",
    () => {
      const { hierarchies } = detectCgroups();
      const freezer = hierarchies.find(({ controllers }) => controllers.includes("freezer"));
      const { mountpoint } = freezer ?? hierarchies.find(({ version }) => version === 2)!;
      const cgroup = join(mountpoint, bundles.cgroups, "one");
      mkdirSync(cgroup, { recursive: true });
      try {
        writeFileSync(join(cgroup, freezer ? "freezer.state" : "cgroup.freeze"), freezer ? "FROZEN" : "1");
        const { status, stderr } = tsrunc("run", "--bundle", bundles.bundle("one", ["true"]), "one");
        expect([status, told(stderr)]).toEqual([
          1,
          "runc run failed: container's cgroup unexpectedly frozen",
        ]);
        expect(folders()).toEqual([]);
      } finally {
        rmdirSync(cgroup);
      }
    },
    MINUTE,
  );

  test(
    "a seccomp profile that says nothing is none, and one that refuses everything ends the start",
    () => {
      // biome-ignore lint/suspicious/noExplicitAny: As it comes out of JSON.
      const profile = (seccomp: any) => (spec: Spec) => {
        spec.linux!.seccomp = seccomp;
      };
      expect(run(profile({}))).toEqual({ status: 0, stdout: "", stderr: "" });
      expect(failure(profile({ defaultAction: "SCMP_ACT_ERRNO" }))).toContain("operation not permitted");
    },
    MINUTE,
  );

  test(
    "a hook that cannot be run is told with its path",
    () => {
      const hook = (path: string, timeout?: number): string =>
        failure((spec) => {
          spec.hooks = { prestart: [{ path, ...(timeout !== undefined && { timeout }) }] };
        });
      expect(hook("/nothing/here")).toContain(
        "prestart hook #0: fork/exec /nothing/here: no such file or directory",
      );
      expect(hook("/etc")).toContain("prestart hook #0: fork/exec /etc: permission denied");
      // Not looked for in PATH.
      expect(hook("true")).toContain(
        "prestart hook #0: fork/exec true: the path of a hook has to be absolute",
      );
      expect(hook("/bin/true", -1)).toContain("prestart hook #0: hook ran past specified timeout of -1.0s");
      expect(hook("")).toContain("prestart hook #0: exec: no command");
    },
    MINUTE,
  );

  test(
    "a hook after the start that fails ends the container, detached or not",
    () => {
      const failing = (spec: Spec): void => {
        spec.hooks = { poststart: [{ path: "/bin/sh", args: ["sh", "-c", "exit 3"] }] };
      };
      for (const how of [[], ["--detach"]]) {
        const folder = bundles.bundle("one", ["sleep", "1000"], failing);
        const call = bundles.words(
          "--log",
          join(bundles.base, "log"),
          "run",
          ...how,
          "--bundle",
          folder,
          "one",
        );
        const { exitCode } = Bun.spawnSync(call, { stdio: ["ignore", "ignore", "ignore"] });
        expect([exitCode, folders(), bundles.cgroupsOf("one")]).toEqual([1, [], []]);
      }
    },
    MINUTE,
  );

  test(
    "a limit that leaves no memory to start with is named",
    () => {
      const tight = (spec: Spec): void => {
        spec.linux!.resources!.memory = { limit: 1 };
      };
      expect(failure(tight)).toBe("container init was OOM-killed (memory limit too low?)");
      const folder = bundles.bundle("one", ["true"], tight);
      let created = tsrunc("create", "--bundle", folder, "one");
      // The kernel lends a processor some pages ahead: where it is not done with those, one is created after all.
      for (let n = 0; n < 10 && created.status === 0; n++) {
        tsrunc("delete", "--force", "one");
        created = tsrunc("create", "--bundle", folder, "one");
      }
      expect([created.status, told(created.stderr)]).toEqual([
        1,
        "runc create failed: container init was OOM-killed (memory limit too low?)",
      ]);
      expect([folders(), bundles.cgroupsOf("one")]).toEqual([[], []]);
    },
    MINUTE,
  );

  test(
    "whoever is killed later has a status, and no words",
    async () => {
      const folder = bundles.bundle("one", ["sleep", "1000"]);
      const child = Bun.spawn(bundles.words("run", "--bundle", folder, "one"), { stderr: "pipe" });
      const command = () => {
        const { status, stdout } = tsrunc("state", "one");
        return status === 0 ? readFileSync(`/proc/${JSON.parse(stdout).pid}/cmdline`, "utf8") : "";
      };
      await until(() => command() === "sleep\x001000\0");
      expect(tsrunc("kill", "one", "KILL").status).toBe(0);
      expect([await child.exited, await new Response(child.stderr).text()]).toEqual([137, ""]);
      expect([folders(), bundles.cgroupsOf("one")]).toEqual([[], []]);
    },
    MINUTE,
  );

  test(
    "a pid file that cannot be written is named, and nothing runs",
    () => {
      const folder = bundles.bundle("one", ["echo", "it ran"]);
      const run = tsrunc("run", "--pid-file", "/nothing/pid", "--bundle", folder, "one");
      expect([run.status, run.stdout, told(run.stderr)]).toEqual([
        ...[1, "", "runc run failed: open /nothing/.pid: no such file or directory"],
      ]);
      expect([folders(), bundles.cgroupsOf("one")]).toEqual([[], []]);
    },
    MINUTE,
  );
});

test(
  "a created container that is frozen is paused: it cannot be started, nor entered, but killed and deleted",
  async () => {
    const folder = bundles.bundle("one", ["sleep", "1000"]);
    const create = (): void => {
      const words = bundles.words("create", "--bundle", folder, "one");
      expect(Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
      expect(tsrunc("pause", "one")).toEqual({ status: 0, stdout: "", stderr: "" });
    };
    const status = () => JSON.parse(tsrunc("state", "one").stdout).status;
    create();
    expect(status()).toBe("paused");
    expect(told(tsrunc("start", "one").stderr)).toBe("cannot start a container in the paused state");
    expect(told(tsrunc("exec", "one", "true").stderr)).toContain("cannot exec in a paused container");
    expect(told(tsrunc("kill", "one", "999").stderr)).toBe("unable to signal init: invalid argument");
    expect(tsrunc("resume", "one").status).toBe(0);
    expect(status()).toBe("created");
    tsrunc("pause", "one");
    expect(tsrunc("delete", "--force", "one")).toEqual({ status: 0, stdout: "", stderr: "" });
    expect([folders(), bundles.cgroupsOf("one")]).toEqual([[], []]);
    create();
    expect(tsrunc("kill", "one", "KILL").status).toBe(0);
    await until(() => status() === "stopped");
  },
  MINUTE,
);

test(
  "a container without a pid namespace of its own is killed as a whole",
  async () => {
    const folder = bundles.bundle("one", ["sh", "-c", "sleep 1000 & sleep 1000 & wait"], (spec) => {
      spec.linux!.namespaces = spec.linux!.namespaces!.filter(({ type }) => type !== "pid");
    });
    const words = bundles.words("run", "--detach", "--bundle", folder, "one");
    expect(Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
    const list = () => JSON.parse(tsrunc("ps", "--format", "json", "one").stdout) as number[];
    await until(() => list().length === 3);
    const pids = list();
    expect(tsrunc("kill", "one", "KILL")).toEqual({ status: 0, stdout: "", stderr: "" });
    const state = (pid: number) =>
      existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]![0] : "Z";
    await until(() => pids.every((pid) => state(pid) === "Z"));
  },
  MINUTE,
);

test("a wrong number of words is told with the right one", () => {
  const cases: [words: string[], reason: string][] = [
    [["run"], '"run" requires exactly 1'],
    [["state", "a", "b"], '"state" requires exactly 1'],
    [["list", "a"], '"list" requires exactly 0'],
    [["kill"], '"kill" requires a minimum of 1'],
    [["kill", "a", "9", "b"], '"kill" requires a maximum of 2'],
  ];
  for (const [words, reason] of cases) {
    const { status, stdout, stderr } = tsrunc(...words);
    expect(status).not.toBe(0);
    expect(stderr.replaceAll("\\", "")).toContain(`${reason} argument(s)`);
    expect(stdout).toStartWith(`Incorrect Usage.\n\nUsage: tsrunc ${words[0]}`);
  }
});

test("a flag that is not there is told with those that are", () => {
  const message = "flag provided but not defined: -nosuch";
  const ofVerb = tsrunc("run", "--nosuch", "one");
  expect([ofVerb.status, told(ofVerb.stderr)]).toEqual([1, message]);
  expect(ofVerb.stdout).toStartWith(`Incorrect Usage: ${message}\n\nUsage: tsrunc run [`);
  const global = tsrunc("--nosuch", "list");
  expect([global.status, told(global.stderr)]).toEqual([1, message]);
  expect(global.stdout).toStartWith(`Incorrect Usage. ${message}\n\n`);
  expect(global.stdout).toContain("Global options:");
});
