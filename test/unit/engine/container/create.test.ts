import { describe, expect, test } from "bun:test";
import type { CreateBody } from "../../../../src/engine/container/config.ts";
import { Rig, refusal } from "./fakes.ts";

/** Requests and answers of Docker 29.7.2. */
const REFUSED: [body: CreateBody, kind: string, message: string][] = [
  [{ Image: "" }, "invalid", "no command specified"],
  [{ Image: "nosuch" }, "notFound", "No such image: nosuch:latest"],
  [{ HostConfig: { Memory: 1 } }, "invalid", "Minimum memory limit allowed is 6MB"],
  [
    { HostConfig: { NanoCpus: -1 } },
    "invalid",
    "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
  ],
  [
    { HostConfig: { Binds: ["a"] } },
    "internal",
    "invalid volume specification: 'a': invalid mount config for type \"volume\": invalid mount path: 'a' mount path must be absolute",
  ],
  [
    { HostConfig: { Binds: ["/nosuch/../x:rel"] } },
    "internal",
    "invalid volume specification: '/nosuch/../x:rel': invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must be absolute",
  ],
  [
    { HostConfig: { RestartPolicy: { Name: "x", MaximumRetryCount: 0 } } },
    "invalid",
    "invalid restart policy: unknown policy 'x'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  ],
  [
    // Of several mistakes this one is told: it is looked for first.
    { HostConfig: { Isolation: "foo", CapAdd: ["X"] }, StopSignal: "X" },
    "invalid",
    "invalid isolation (foo): linux only supports 'default'",
  ],
  [{ HostConfig: { CapAdd: ["X"] } }, "invalid", 'invalid CapAdd: unknown capability: "CAP_X"'],
  [
    { HostConfig: { LogConfig: { Type: "x", Config: {} } } },
    "invalid",
    'error looking up logging plugin x: plugin "x" not found',
  ],
  [
    { HostConfig: { LogConfig: { Type: "json-file", Config: { x: "" } } } },
    "invalid",
    "unknown log opt 'x' for json-file log driver",
  ],
  [
    { HostConfig: { LogConfig: { Type: "", Config: { mode: "non-blocking", "max-buffer-size": "x" } } } },
    "invalid",
    "error parsing option max-buffer-size: invalid size: 'x'",
  ],
  [
    { HostConfig: { LogConfig: { Type: "", Config: { "max-buffer-size": "1m" } } } },
    "invalid",
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  ],
  [{ HostConfig: { Runtime: "x" } }, "invalid", "unknown or invalid runtime name: x"],
  [{ StopSignal: "X" }, "invalid", "invalid signal: X"],
  [
    { HostConfig: { Mounts: [{ Type: "bind", Source: "/nosuch", Target: "/x" }] } },
    "invalid",
    'invalid mount config for type "bind": bind source path does not exist: /nosuch',
  ],
  [
    { HostConfig: { Mounts: [{ Type: "x", Target: "/x" }] } },
    "invalid",
    'invalid mount config for type "x": mount type unknown',
  ],
  [{ HostConfig: { IpcMode: "x" } }, "invalid", "invalid IPC mode: x"],
  [{ HostConfig: { PidMode: "container:nosuch" } }, "invalid", "No such container: nosuch"],
  [
    { HostConfig: { AutoRemove: true, RestartPolicy: { Name: "always", MaximumRetryCount: 0 } } },
    "invalid",
    "can't create 'AutoRemove' container with restart policy",
  ],
  [{ Healthcheck: { Interval: 1 } }, "invalid", "Interval in Healthcheck cannot be less than 1ms"],
  [
    { HostConfig: { OomScoreAdj: 5000 } },
    "invalid",
    "Invalid value 5000, range for oom score adj is [-1000, 1000]",
  ],
  [
    { HostConfig: { Tmpfs: { rel: "" } } },
    "invalid",
    "invalid mount path: 'rel' mount path must be absolute",
  ],
  [
    { WorkingDir: "rel" },
    "invalid",
    "the working directory 'rel' is invalid, it needs to be an absolute path",
  ],
];

describe("create refuses as Docker 29.7.2 does", () => {
  for (const [body, kind, message] of REFUSED) {
    test(JSON.stringify(body), async () => {
      using rig = new Rig();
      const all = body.Image === "" ? rig.containers.create({ body }) : rig.create(body);
      expect(await refusal(all)).toEqual([kind, message]);
      expect(rig.ctx.store.size).toBe(0);
    });
  }

  test("a NUL byte, anywhere but in a label", async () => {
    using rig = new Rig();
    const bodies: [field: string, body: CreateBody][] = [
      ["Cmd", { Cmd: ["a\0b"] }],
      ["Env", { Env: ["A=\0"] }],
      ["WorkingDir", { WorkingDir: "/a\0" }],
      ["Mounts", { HostConfig: { Mounts: [{ Type: "tmpfs", Target: "/a\0" }] } }],
      ["Tmpfs", { HostConfig: { Tmpfs: { "/a\0": "" } } }],
    ];
    for (const [field, body] of bodies)
      expect(await refusal(rig.create(body))).toEqual([
        "invalid",
        `invalid ${field}: must not contain a NUL byte`,
      ]);
    await rig.create({ Labels: { a: "\0" } });
  });

  test("a name that cannot be one", async () => {
    using rig = new Rig();
    expect(await refusal(rig.create({}, "/"))).toEqual([
      "invalid",
      "Invalid container name (/), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
    ]);
  });

  test("a profile or label that it cannot give; a host that knows none warns, as Docker would not", async () => {
    using rig = new Rig();
    const asking = (...SecurityOpt: string[]) => ({
      body: { Image: "busybox", HostConfig: { SecurityOpt } },
    });
    const both = asking("apparmor=mine", "label=type:t");
    const { Warnings } = await rig.containers.create(both);
    expect(Warnings).toEqual([
      "This host has no AppArmor: --security-opt apparmor=mine has no effect.",
      "This host has no SELinux: --security-opt label=type:t has no effect.",
    ]);
    const none = asking("apparmor=unconfined", "label=disable");
    expect((await rig.containers.create(none)).Warnings).toEqual([]);
    Object.assign(rig.ctx, { host: { ...rig.ctx.host, apparmor: true, selinux: true } });
    expect(await refusal(rig.containers.create(both))).toEqual([
      "notImplemented",
      "not implemented yet: --security-opt label; --security-opt apparmor",
    ]);
    expect((await rig.containers.create(none)).Warnings).toEqual([]);
  });

  test("a name that is taken", async () => {
    using rig = new Rig();
    const id = await rig.create({}, "c1");
    expect(await refusal(rig.create({}, "c1"))).toEqual([
      "conflict",
      `Conflict. The container name "/c1" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
    ]);
  });
});

describe("create says 501 for what has no effect yet", () => {
  const cases: [flag: string, body: CreateBody][] = [
    ["--restart always", { HostConfig: { RestartPolicy: { Name: "always", MaximumRetryCount: 0 } } }],
    ["named volumes", { HostConfig: { Binds: ["data:/data"] } }],
    ["--volumes-from", { HostConfig: { VolumesFrom: ["x"] } }],
    ["--health", { Healthcheck: { Test: ["CMD", "true"] } }],
    ["--log-driver syslog", { HostConfig: { LogConfig: { Type: "syslog", Config: {} } } }],
    ["--gpus", { HostConfig: { DeviceRequests: [{}] } }],
  ];
  for (const [flag, body] of cases) {
    test(flag, async () => {
      using rig = new Rig();
      const [kind, message] = await refusal(rig.create(body));
      expect(kind).toBe("notImplemented");
      expect(message).toContain(flag.split(" ")[0]!);
    });
  }
});

test("a limit on block devices that the host has no file for is discarded, with a warning", async () => {
  using rig = new Rig();
  const HostConfig = {
    BlkioWeight: 5,
    BlkioWeightDevice: [{ Path: "/dev/null", Weight: 10 }],
    BlkioDeviceReadBps: [{ Path: "/dev/null", Rate: 1024 }],
  };
  const { Id, Warnings } = await rig.containers.create({ body: { Image: "busybox", HostConfig } });
  expect(Warnings).toEqual([
    "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
    "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
  ]);
  expect(rig.ctx.store.byId(Id)?.record.hostConfig).toMatchObject({
    ...HostConfig,
    BlkioWeight: 0,
    BlkioWeightDevice: [],
  });
  Object.assign(rig.ctx, { host: { ...rig.ctx.host, limitsBlockIo: () => true } });
  expect(await refusal(rig.create({ HostConfig }))).toEqual([
    "invalid",
    "Range of blkio weight is from 10 to 1000",
  ]);
});

test("the zero values that the docker client sends are accepted", async () => {
  using rig = new Rig();
  const id = await rig.create({
    Volumes: {},
    Healthcheck: null,
    HostConfig: {
      PortBindings: {},
      RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
      LogConfig: { Type: "", Config: {} },
      NetworkMode: "default",
      MemorySwappiness: -1,
      OomKillDisable: false,
      PidsLimit: 0,
      BlkioWeightDevice: [],
      Devices: [],
      Dns: [],
    },
    NetworkingConfig: { EndpointsConfig: { default: {} } },
  });
  expect(rig.ctx.store.byId(id)?.record.hostConfig).toMatchObject({
    NetworkMode: "bridge",
    PidsLimit: null,
    MemorySwappiness: null,
    ShmSize: 67108864,
    IpcMode: "private",
    CgroupnsMode: "host",
    Runtime: "runc",
  });
});

test("what the image says is merged, and the user's word wins", async () => {
  using rig = new Rig();
  rig.images.config = {
    Entrypoint: ["/entry"],
    Cmd: ["a"],
    Env: ["PATH=/bin", "A=image"],
    Labels: { x: "image", y: "image" },
    WorkingDir: "/work",
    User: "app",
    StopSignal: "INT",
  };
  const id = await rig.create({ Env: ["A=user", "B=1"], Labels: { x: "user" }, Cmd: ["b", "c"] });
  const { record } = rig.ctx.store.byId(id)!;
  expect([record.path, ...record.args]).toEqual(["/entry", "b", "c"]);
  expect(record.config).toMatchObject({
    Env: ["A=user", "B=1", "PATH=/bin"],
    Labels: { x: "user", y: "image" },
    WorkingDir: "/work",
    User: "app",
    StopSignal: "INT",
    Hostname: id.slice(0, 12),
  });
});

test("an entrypoint of the user's drops the image's command", async () => {
  using rig = new Rig();
  rig.images.config = { Entrypoint: ["/entry"], Cmd: ["a"] };
  const id = await rig.create({ Entrypoint: ["/mine"] });
  const { record } = rig.ctx.store.byId(id)!;
  expect([record.path, ...record.args]).toEqual(["/mine"]);
});

test("made-up names differ and are words", async () => {
  using rig = new Rig();
  for (let i = 0; i < 50; i++) await rig.create();
  const names = [...rig.ctx.store.all()].map(({ name }) => name);
  expect(new Set(names).size).toBe(50);
  for (const name of names) expect(name).toMatch(/^\/[a-z]+_[a-z]+\d?$/);
});

test("an image's VOLUME becomes an anonymous volume that rm -v removes", async () => {
  using rig = new Rig();
  rig.images.config = { Cmd: ["sh"], Volumes: { "/data": {} } };
  const id = await rig.create();
  const [mount] = rig.ctx.store.byId(id)!.record.mounts;
  expect(mount).toMatchObject({ type: "volume", destination: "/data", driver: "local", rw: true });
  expect(rig.ctx.volumes.list({}).map((volume) => volume.Name)).toEqual([mount!.name!]);
  expect(await refusal(rig.ctx.volumes.remove(mount!.name!, { force: false }))).toEqual([
    "conflict",
    `remove ${mount!.name}: volume is in use - [${id}]`,
  ]);
  await rig.containers.remove(id, { force: false, volumes: true, link: false });
  expect(rig.ctx.volumes.list({})).toEqual([]);
});

test("a bind over an image's VOLUME leaves no anonymous one", async () => {
  using rig = new Rig();
  rig.images.config = { Cmd: ["sh"], Volumes: { "/data": {} } };
  const id = await rig.create({ HostConfig: { Binds: ["/usr:/data:ro"] } });
  expect(rig.ctx.store.byId(id)!.record.mounts).toMatchObject([
    { type: "bind", source: "/usr", destination: "/data", mode: "ro", rw: false, propagation: "rprivate" },
  ]);
});

test("what is left out of a device or a limit is empty, as in Go", async () => {
  using rig = new Rig();
  const sent = { HostConfig: { Devices: [{}], Ulimits: [{ Name: "core" }, null] } } as unknown as CreateBody;
  const id = await rig.create(sent);
  expect((await rig.containers.inspect(id, { size: false })) as unknown).toMatchObject({
    HostConfig: {
      Devices: [{ PathOnHost: "", PathInContainer: "", CgroupPermissions: "" }],
      Ulimits: [{ Name: "core", Hard: 0, Soft: 0 }],
    },
  });
});
