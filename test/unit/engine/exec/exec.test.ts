import { expect, test } from "bun:test";
import { EngineError } from "../../../../src/engine/errors.ts";
import { Rig, refusal } from "../container/fakes.ts";

async function running(rig: Rig, body: Parameters<Rig["create"]>[0] = {}): Promise<string> {
  const id = await rig.create(body, "c1");
  await rig.containers.start(id);
  rig.seen.length = 0;
  return id;
}

test("an exec's life, as events and inspect tell it", async () => {
  using rig = new Rig();
  const container = await running(rig);
  const { Id } = await rig.execs.create("c1", { Cmd: ["sh", "-c", "true"], AttachStdout: true });
  expect(await rig.execs.inspect(Id)).toEqual({
    ID: Id,
    Running: false,
    ExitCode: null,
    ProcessConfig: { tty: false, entrypoint: "sh", arguments: ["-c", "true"], privileged: false },
    OpenStdin: false,
    OpenStderr: false,
    OpenStdout: true,
    CanRemove: false,
    ContainerID: container,
    DetachKeys: "",
    Pid: 0,
  });
  await rig.execs.start(Id, { detach: true });
  expect(await rig.execs.inspect(Id)).toMatchObject({ Running: true, Pid: process.pid });
  expect(await refusal(rig.execs.start(Id, { detach: true }))).toEqual([
    "conflict",
    `exec command ${Id} is already running`,
  ]);
  rig.shim.end(Id, 4);
  expect(await rig.execs.inspect(Id)).toMatchObject({ Running: false, ExitCode: 4 });
  expect(await refusal(rig.execs.start(Id, { detach: true }))).toEqual([
    "conflict",
    `exec command ${Id} has already run`,
  ]);
  expect(rig.seen).toEqual(["exec_create: sh -c true", "exec_start: sh -c true", "exec_die"]);
});

test("the process has the container's user, folder, environment and capabilities, unless told otherwise", async () => {
  using rig = new Rig();
  await running(rig, { Env: ["A=1", "B=1"], WorkingDir: "/w", User: "5" });
  const processOf = async (body: object) => {
    const { Id } = await rig.execs.create("c1", { Cmd: ["id"], ...body });
    await rig.execs.start(Id, { detach: true });
    return rig.shim.execs.at(-1)!.process;
  };
  expect(await processOf({})).toMatchObject({ user: { uid: 5 }, cwd: "/w", args: ["id"] });
  const own = await processOf({ User: "7:8", WorkingDir: "/x", Env: ["A=2"], Privileged: true, Tty: true });
  expect(own).toMatchObject({ user: { uid: 7, gid: 8 }, cwd: "/x", terminal: true });
  expect(own.env).toContain("A=2");
  expect(own.env).toContain("TERM=xterm");
  expect(own.capabilities!.bounding).toContain("CAP_SYS_ADMIN");
});

test("what cannot be executed gives the status and words that the client looks for", async () => {
  using rig = new Rig();
  const container = rig.ctx.store.find(await running(rig));
  // Its process lives.
  rig.ctx.store.setState(container, { pid: process.pid });
  const { Id } = await rig.execs.create("c1", { Cmd: ["nosuch"] });
  rig.shim.failure = new EngineError(
    "invalid",
    'unable to start container process: exec: "nosuch": executable file not found in $PATH',
  );
  expect(await refusal(rig.execs.start(Id, { detach: true }))).toEqual([
    "invalid",
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH',
  ]);
  expect(await rig.execs.inspect(Id)).toMatchObject({ Running: false, ExitCode: 127 });
});

test("refusals in Docker's words", async () => {
  using rig = new Rig();
  await running(rig);
  expect(await refusal(rig.execs.create("c1", { Cmd: [] }))).toEqual([
    "invalid",
    "No exec command specified",
  ]);
  expect(await refusal(rig.execs.create("c1", { Cmd: ["true"], User: "nosuch" }))).toEqual([
    "invalid",
    "unable to find user nosuch: no matching entries in passwd file",
  ]);
  const keys = { Cmd: ["true"], DetachKeys: "ctrl-A" };
  expect(await refusal(rig.execs.create("c1", keys))).toEqual([
    "internal",
    "Invalid escape keys (ctrl-A) provided",
  ]);
  expect(await refusal(rig.execs.create("nosuch", keys))).toEqual(["notFound", "No such container: nosuch"]);
  expect(await refusal(rig.execs.inspect("nosuch"))).toEqual(["notFound", "No such exec instance: nosuch"]);
  await rig.containers.pause("c1");
  expect(await refusal(rig.execs.create("c1", { Cmd: ["true"] }))).toEqual([
    "conflict",
    "Container c1 is paused, unpause the container before exec",
  ]);
});

test("the container's end is the end of its execs", async () => {
  using rig = new Rig();
  const id = await running(rig);
  const { Id } = await rig.execs.create("c1", { Cmd: ["true"] });
  expect(await refusal(rig.containers.start("nosuch"))).toEqual(["notFound", "No such container: nosuch"]);
  rig.shim.end(id, 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await refusal(rig.execs.inspect(Id))).toEqual(["notFound", `No such exec instance: ${Id}`]);
  expect(await refusal(rig.execs.create("c1", { Cmd: ["true"] }))).toEqual([
    "conflict",
    `container ${id} is not running`,
  ]);
});

test("a new daemon knows the execs that still run", async () => {
  using first = new Rig();
  await running(first);
  const { Id } = await first.execs.create("c1", { Cmd: ["sleep", "1"] });
  await first.execs.start(Id, { detach: true });
  using second = new Rig(first);
  await second.containers.restore();
  expect(await second.execs.inspect(Id)).toMatchObject({ Running: true });
  second.shim.end(Id, 9);
  expect(await second.execs.inspect(Id)).toMatchObject({ Running: false, ExitCode: 9 });
});

test("a new daemon ends the execs that no shim knows any more", async () => {
  using first = new Rig();
  await running(first);
  const { Id } = await first.execs.create("c1", { Cmd: ["sleep", "1"] });
  await first.execs.start(Id, { detach: true });
  first.shim.supervised.delete(Id);
  using second = new Rig(first);
  await second.containers.restore();
  expect(await second.execs.inspect(Id)).toMatchObject({ Running: false, ExitCode: 255 });
});

test("a new daemon learns of an exec that was started before the old one could write so", async () => {
  using first = new Rig();
  const container = await running(first);
  const { Id } = await first.execs.create("c1", { Cmd: ["sleep", "1"] });
  using second = new Rig(first);
  const { pid } = process;
  second.shim.supervised.set(Id, { id: Id, container, pid, startedAt: "1", paused: false });
  await second.containers.restore();
  expect(await second.execs.inspect(Id)).toMatchObject({ Running: true, Pid: pid });
});
