import { describe, expect, test } from "bun:test";
import type { HostConfig } from "../../../../src/engine/container/config.ts";
import { mountPointOf, parseBind, tmpfsOptions } from "../../../../src/engine/container/mount-points.ts";
import { normalizeConfig, normalizeHostConfig } from "../../../../src/engine/container/normalize.ts";
import { buildSpec } from "../../../../src/engine/container/spec.ts";
import { mergeTmpfsOptions, specMounts } from "../../../../src/engine/container/spec-mounts.ts";
import { NEW_STATE } from "../../../../src/engine/container/state.ts";
import { applyDefaults } from "../../../../src/engine/container/validate.ts";
import type { Spec } from "../../../../src/engine/runtime/spec.ts";
import { HOST } from "./fakes.ts";

function specOf(host: Partial<HostConfig> = {}, config: Parameters<typeof normalizeConfig>[0] = {}): Spec {
  const hostConfig = normalizeHostConfig(host);
  applyDefaults(hostConfig, HOST);
  return buildSpec({
    id: "c".repeat(64),
    record: {
      created: NEW_STATE.startedAt,
      path: "sleep",
      args: ["1"],
      config: normalizeConfig({ Hostname: "h1", Env: ["A=1"], ...config }),
      hostConfig,
      image: { id: "sha256:x", architecture: "amd64", os: "linux" },
      mounts: (hostConfig.Binds ?? []).map(parseBind),
    },
    user: { uid: 0, gid: 0, additionalGids: [0], home: "/root" },
    files: { resolvConf: "/d/resolv.conf", hostname: "/d/hostname", hosts: "/d/hosts" },
    joined: {},
    linkVariables: [],
    host: HOST,
  });
}

const namespacesOf = (spec: Spec) => spec.linux!.namespaces!.map(({ type }) => type);

describe("the OCI configuration", () => {
  test("has Docker's environment, command and folder", () => {
    const { process } = specOf();
    expect(process).toMatchObject({ args: ["sleep", "1"], cwd: "/", noNewPrivileges: false });
    expect(process!.env).toEqual([
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOSTNAME=h1",
      "A=1",
      "HOME=/root",
    ]);
  });

  test("gives every namespace its own, but for those asked for", () => {
    expect(namespacesOf(specOf())).toEqual(["mount", "network", "uts", "pid", "ipc", "time"]);
    const shared = {
      NetworkMode: "host",
      UTSMode: "host",
      PidMode: "host",
      IpcMode: "host",
      CgroupnsMode: "private",
    };
    expect(namespacesOf(specOf(shared))).toEqual(["mount", "time", "cgroup"]);
  });

  test("limits block devices by their numbers", () => {
    const devices = [{ Path: "/dev/zero", Rate: 1024 }];
    expect(specOf({ BlkioWeight: 20, BlkioDeviceReadBps: devices }).linux!.resources!.blockIO).toMatchObject({
      weight: 20,
      throttleReadBpsDevice: [{ major: 1, minor: 5, rate: 1024 }],
    });
    expect(specOf({ BlkioDeviceReadBps: [] }).linux!.resources!.blockIO).toBeUndefined();
    expect(() => specOf({ BlkioDeviceWriteIOps: [{ Path: "/nosuch", Rate: 1 }] })).toThrow(
      new Error("stat /nosuch: no such file or directory"),
    );
  });

  test("puts it below a cgroup of ours", () => {
    expect(specOf().linux!.cgroupsPath).toBe(`/tsd/${"c".repeat(64)}`);
    expect(specOf({ CgroupParent: "/mine" }).linux!.cgroupsPath).toBe(`/mine/${"c".repeat(64)}`);
  });

  test("adds and drops capabilities", () => {
    const bounding = (h: Partial<HostConfig>) => specOf(h).process!.capabilities!.bounding;
    expect(bounding({})).toEqual(["CAP_CHOWN", "CAP_MKNOD", "CAP_KILL"]);
    expect(bounding({ CapAdd: ["net_admin"], CapDrop: ["CHOWN"] })).toEqual([
      "CAP_MKNOD",
      "CAP_KILL",
      "CAP_NET_ADMIN",
    ]);
    expect(bounding({ CapDrop: ["ALL"], CapAdd: ["KILL"] })).toEqual(["CAP_KILL"]);
    expect(bounding({ CapAdd: ["ALL"], CapDrop: ["CHOWN"] })).not.toContain("CAP_CHOWN");
    expect(bounding({ Privileged: true })).toEqual(HOST.capabilities);
  });

  test("has the default seccomp profile unless told otherwise", () => {
    expect(specOf().linux!.seccomp).toMatchObject({ defaultAction: "SCMP_ACT_ERRNO" });
    expect(specOf({ SecurityOpt: ["seccomp=unconfined"] }).linux!.seccomp).toBeUndefined();
    expect(specOf({ Privileged: true }).linux!.seccomp).toBeUndefined();
    const own = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [] };
    expect(specOf({ SecurityOpt: [`seccomp=${JSON.stringify(own)}`] }).linux!.seccomp).toEqual(own as never);
  });

  test("limits memory, processors and processes", () => {
    const { resources } = specOf({ Memory: 2 ** 27, NanoCpus: 5e8, PidsLimit: 50, CpusetCpus: "0" }).linux!;
    expect(resources).toMatchObject({
      memory: { limit: 2 ** 27, swap: 2 ** 28 },
      cpu: { period: 100000, quota: 50000, cpus: "0" },
      pids: { limit: 50 },
    });
    expect(specOf().linux!.resources).toMatchObject({ memory: undefined, cpu: undefined, pids: undefined });
  });

  test("denies devices first and allows the few", () => {
    const { devices } = specOf().linux!.resources!;
    expect(devices![0]).toEqual({ allow: false, access: "rwm" });
    const withNull = specOf({
      Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/n", CgroupPermissions: "r" }],
    }).linux!;
    expect(withNull.devices).toMatchObject([{ type: "c", path: "/dev/n", major: 1, minor: 3 }]);
    expect(withNull.resources!.devices!.at(-1)).toEqual({
      allow: true,
      type: "c",
      major: 1,
      minor: 3,
      access: "r",
    });
  });

  test("a device that is not there fails the start", () => {
    const missing = { PathOnHost: "/dev/nosuch", PathInContainer: "/dev/nosuch", CgroupPermissions: "rwm" };
    expect(() => specOf({ Devices: [missing] })).toThrow(
      'error gathering device information while adding custom device "/dev/nosuch": no such file or directory',
    );
  });

  test("--ulimit -1 is unlimited", () => {
    expect(specOf({ Ulimits: [{ Name: "core", Soft: -1, Hard: -1 }] }).process!.rlimits).toEqual([
      { type: "RLIMIT_CORE", soft: 2 ** 64, hard: 2 ** 64 },
      { type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 },
    ]);
  });

  test("1024 files may be open, and as many as the daemon's when the process asks, unless --ulimit says otherwise", () => {
    expect(specOf({}).process!.rlimits).toEqual([{ type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }]);
    expect(specOf({ Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }] }).process!.rlimits).toEqual([
      { type: "RLIMIT_NOFILE", soft: 1, hard: 2 },
    ]);
  });
});

describe("mounts", () => {
  const optionsAt = (spec: Spec, path: string) =>
    spec.mounts!.find(({ destination }) => destination === path)?.options;

  test("a bind is private and recursive, read-only all the way down", () => {
    const spec = specOf({ Binds: ["/usr:/a", "/usr:/b:ro"] });
    expect(optionsAt(spec, "/a")).toEqual(["rbind", "rprivate"]);
    expect(optionsAt(spec, "/b")).toEqual(["rbind", "rro", "rprivate"]);
  });

  test("parents come before their children", () => {
    const paths = specOf({ Binds: ["/usr:/a/b", "/usr:/a"] }).mounts!.map(({ destination }) => destination);
    expect(paths.indexOf("/a")).toBeLessThan(paths.indexOf("/a/b"));
  });

  test("one over /dev takes the place of all below it", () => {
    const paths = specOf({ Binds: ["/dev:/dev"] }).mounts!.map(({ destination }) => destination);
    expect(paths.filter((path) => path.startsWith("/dev"))).toEqual(["/dev"]);
  });

  test("/dev/shm has its size, and --ipc none has none", () => {
    expect(optionsAt(specOf({ ShmSize: 4096 }), "/dev/shm")).toContain("size=4096");
    expect(optionsAt(specOf({ IpcMode: "none" }), "/dev/shm")).toBeUndefined();
  });

  test("--privileged makes /sys and cgroups writable", () => {
    expect(optionsAt(specOf(), "/sys")).toContain("ro");
    expect(optionsAt(specOf({ Privileged: true }), "/sys")).not.toContain("ro");
    expect(optionsAt(specOf({ Privileged: true }), "/sys/fs/cgroup")).not.toContain("ro");
  });

  test("tmpfs options add to the defaults and override them", () => {
    expect(mergeTmpfsOptions("")).toEqual(["noexec", "nosuid", "nodev", "rprivate"]);
    expect(() => mergeTmpfsOptions("size=1m,nosuch")).toThrow('invalid tmpfs option "nosuch"');
    expect(() => mergeTmpfsOptions("nosuch=1")).toThrow('invalid tmpfs option "nosuch"');
    expect(() => mergeTmpfsOptions("size")).toThrow('invalid tmpfs option "size"');
    expect(() => mergeTmpfsOptions("rw,")).toThrow('invalid tmpfs option ""');
    expect(mergeTmpfsOptions("defaults,shared,ro,rw")).toEqual(["noexec", "nosuid", "nodev", "shared", "rw"]);
    expect(mergeTmpfsOptions("exec,size=1m,size=2m")).toEqual([
      "nosuid",
      "nodev",
      "rprivate",
      "exec",
      "size=2m",
    ]);
    expect(tmpfsOptions({ SizeBytes: 2 ** 21, Mode: 0o1777 }, true)).toBe("ro,mode=1777,size=2m");
  });

  test("the engine's files give way to the user's", () => {
    const h = normalizeHostConfig({});
    const files = { resolvConf: "/d/r", hostname: "/d/n", hosts: "/d/h" };
    const mine = mountPointOf({ Type: "bind", Source: "/usr", Target: "/etc/hosts" });
    const mounts = specMounts(h, [mine], files, false, undefined).filter(({ destination }) =>
      destination.startsWith("/etc/"),
    );
    expect(mounts.map(({ source }) => source).sort()).toEqual(["/d/n", "/d/r", "/usr"]);
  });
});
