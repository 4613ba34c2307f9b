import { expect, test } from "bun:test";
import { reconcile } from "../../../../src/engine/container/reconcile.ts";
import { EngineError } from "../../../../src/engine/errors.ts";
import type { Supervised } from "../../../../src/engine/shim/types.ts";
import { Rig, refusal } from "./fakes.ts";

const never = new AbortController().signal;

/** Lets what an exit sets off run to its end. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

test("a container's life, as events tell it", async () => {
  using rig = new Rig();
  const id = await rig.create({}, "c1");
  const { result } = await rig.containers.wait("c1", "next-exit", never);
  await rig.containers.start("c1");
  expect((await rig.containers.inspect("c1", { size: false })) as unknown).toMatchObject({
    State: { Status: "running", Running: true, Pid: 1001 },
  });
  expect(await refusal(rig.containers.start("c1"))).toEqual(["notModified", "container is already running"]);
  rig.shim.end(id, 3);
  expect(await result).toEqual({ StatusCode: 3 });
  await settle();
  expect(rig.shim.released).toEqual([id]);
  await rig.containers.remove("c1", { force: false, volumes: false, link: false });
  expect(rig.seen).toEqual(["create", "connect", "start", "disconnect", "die", "destroy"]);
  expect(await refusal(rig.containers.inspect("c1", { size: false }))).toEqual([
    "notFound",
    "No such container: c1",
  ]);
});

test("--rm removes at the end, and wait for it gets the status", async () => {
  using rig = new Rig();
  const id = await rig.create({ HostConfig: { AutoRemove: true } });
  const { result } = await rig.containers.wait(id, "removed", never);
  await rig.containers.start(id);
  rig.shim.end(id, 7);
  expect(await result).toEqual({ StatusCode: 7 });
  await settle();
  expect(rig.images.discarded).toEqual([id]);
  expect(rig.shim.released).toEqual([id]);
});

test("the shim forgets a removed container's end no sooner than its row is gone", async () => {
  using rig = new Rig();
  const rows: number[] = [];
  const release = rig.shim.release.bind(rig.shim);
  rig.shim.release = async (id) => {
    rows.push(rig.ctx.store.size);
    await release(id);
  };
  await rig.containers.start(await rig.create({ HostConfig: { AutoRemove: true } }, "c1"));
  rig.shim.end(rig.ctx.store.find("c1").id, 0);
  await settle();
  await rig.containers.start(await rig.create({}, "c2"));
  await rig.containers.remove("c2", { force: true, volumes: false, link: false });
  await settle();
  expect(rows).toEqual([0, 0]);
});

test("the end of a container whose removal fails is kept", async () => {
  for (const how of ["--rm", "rm -f"] as const) {
    using rig = new Rig();
    const id = await rig.create({ HostConfig: { AutoRemove: how === "--rm" } }, "c1");
    await rig.containers.start(id);
    const remove = rig.ctx.store.remove.bind(rig.ctx.store);
    rig.ctx.store.remove = () => {
      throw new Error("disk is full");
    };
    if (how === "--rm") rig.shim.end(id, 137);
    else await refusal(rig.containers.remove("c1", { force: true, volumes: false, link: false }));
    await settle();
    using next = new Rig(rig);
    expect(next.ctx.store.find(id).state).toMatchObject({ status: "exited", exitCode: 137 });
    expect(rig.shim.released).toEqual([id]);
    rig.ctx.store.remove = remove;
    await rig.containers.remove("c1", { force: false, volumes: false, link: false });
    expect(rig.ctx.store.size).toBe(0);
  }
});

test("a removal that comes during a start finds what that has started", async () => {
  using rig = new Rig();
  const launch = rig.shim.launch.bind(rig.shim);
  const starting = async (id: string) => {
    const gate = Promise.withResolvers<void>();
    const under = Promise.withResolvers<void>();
    rig.shim.launch = async (request) => {
      under.resolve();
      await gate.promise;
      return launch(request);
    };
    const started = rig.containers.start(id);
    await under.promise;
    return { open: gate.resolve, started };
  };
  for (const force of [false, true]) {
    const id = await rig.create({}, "c1");
    const { open, started } = await starting(id);
    const removed = rig.containers.remove("c1", { force, volumes: false, link: false });
    const refused = force ? undefined : refusal(removed);
    open();
    await started;
    if (!force) {
      expect((await refused)?.[1]).toContain("container is running: stop the container before removing");
      expect(rig.ctx.store.find(id).state.status).toBe("running");
      await rig.containers.remove("c1", { force: true, volumes: false, link: false });
    }
    await removed.catch(() => {});
    expect(rig.shim.signals).toContainEqual([id, 9]);
    expect(rig.ctx.store.size).toBe(0);
  }
});

test("layers stay until the shim has seen the last of what was mounted", async () => {
  using rig = new Rig();
  const id = await rig.create({ HostConfig: { AutoRemove: true } });
  const unmounted = Promise.withResolvers<void>();
  rig.shim.release = () => unmounted.promise;
  const { result } = await rig.containers.wait(id, "removed", never);
  await rig.containers.start(id);
  rig.shim.end(id, 0);
  expect(await result).toEqual({ StatusCode: 0 });
  await settle();
  expect(rig.images.discarded).toEqual([]);
  unmounted.resolve();
  await settle();
  expect(rig.images.discarded).toEqual([id]);
});

test("only a container whose mounts are all ours ends before they are gone", async () => {
  using rig = new Rig();
  const lent = { Binds: ["/etc:/v"] };
  for (const HostConfig of [{}, lent, { Privileged: true }, { CapAdd: ["SYS_ADMIN"] }])
    await rig.containers.start(await rig.create({ HostConfig }));
  expect(rig.shim.launches.map(({ ownMounts }) => ownMounts === true)).toEqual([true, false, false, false]);
});

test("nobody waits for the disk of what is removed, but the end of the daemon", async () => {
  using rig = new Rig();
  const id = await rig.create({ HostConfig: { AutoRemove: true } });
  const disk = Promise.withResolvers<void>();
  rig.images.discarding = disk.promise;
  const { result } = await rig.containers.wait(id, "removed", never);
  await rig.containers.start(id);
  rig.shim.end(id, 0);
  expect(await result).toEqual({ StatusCode: 0 });
  let settled = false;
  const ending = rig.containers.settle().then(() => {
    settled = true;
  });
  await settle();
  expect(settled).toBe(false);
  disk.resolve();
  await ending;
  expect(rig.warnings).toEqual([]);
});

test("a failed start is kept in the state, with the status that the client will end with", async () => {
  using rig = new Rig();
  const id = await rig.create({ Cmd: ["nosuch"] });
  rig.shim.failure = new EngineError(
    "invalid",
    'unable to start container process: error during container init: exec: "nosuch": executable file not found in $PATH',
  );
  const message =
    'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "nosuch": executable file not found in $PATH';
  expect(await refusal(rig.containers.start(id))).toEqual(["invalid", message]);
  expect((await rig.containers.inspect(id, { size: false })) as unknown).toMatchObject({
    State: { Status: "created", ExitCode: 127, Error: message },
  });
});

test("a failed start with --rm leaves nothing", async () => {
  using rig = new Rig();
  const id = await rig.create({ HostConfig: { AutoRemove: true } });
  rig.shim.failure = new EngineError("internal", "broken");
  await refusal(rig.containers.start(id));
  expect(rig.ctx.store.size).toBe(0);
});

test("stop sends the stop signal, then SIGKILL when the time is up", async () => {
  using rig = new Rig();
  const id = await rig.create({ StopSignal: "INT" });
  await rig.containers.start(id);
  await rig.containers.stop(id, { timeout: 0 });
  expect(rig.shim.signals).toEqual([
    [id, 2],
    [id, 9],
  ]);
  expect(rig.seen).toEqual(["create", "connect", "start", "kill", "kill", "disconnect", "die", "stop"]);
  expect(await refusal(rig.containers.stop(id, {}))).toEqual(["notModified", "container is already stopped"]);
});

test("a running container is removed only by force", async () => {
  using rig = new Rig();
  await rig.create({}, "c1");
  await rig.containers.start("c1");
  expect(await refusal(rig.containers.remove("c1", { force: false, volumes: false, link: false }))).toEqual([
    "conflict",
    'cannot remove container "c1": container is running: stop the container before removing or force remove',
  ]);
  await rig.containers.remove("c1", { force: true, volumes: false, link: false });
  expect(rig.ctx.store.size).toBe(0);
});

test("kill, pause and unpause refuse in Docker's words", async () => {
  using rig = new Rig();
  const id = await rig.create({}, "c1");
  expect(await refusal(rig.containers.kill("c1", ""))).toEqual([
    "conflict",
    `container ${id} is not running`,
  ]);
  expect(await refusal(rig.containers.kill("c1", "X"))).toEqual(["invalid", "invalid signal: X"]);
  expect(await refusal(rig.containers.pause("c1"))).toEqual(["conflict", `container ${id} is not running`]);
  expect(await refusal(rig.containers.unpause("c1"))).toEqual(["internal", `Container ${id} is not paused`]);
  await rig.containers.start("c1");
  await rig.containers.pause("c1");
  expect(await refusal(rig.containers.pause("c1"))).toEqual([
    "conflict",
    `container ${id} is already paused`,
  ]);
  expect(await refusal(rig.containers.start("c1"))).toEqual([
    "conflict",
    "cannot start a paused container, try unpause instead",
  ]);
});

test("one that is paused while it is killed is thawed, and killed", async () => {
  using rig = new Rig();
  const id = await rig.create({}, "c1");
  await rig.containers.start(id);
  let signals = 0;
  // Frozen, it does not die of the first.
  rig.shim.signal = async () => {
    if (++signals === 2) rig.shim.end(id, 137);
  };
  const killing = rig.containers.kill("c1", "KILL");
  await rig.containers.pause("c1");
  await killing;
  expect(rig.ctx.store.byId(id)!.state).toMatchObject({ status: "exited", exitCode: 137 });
  expect(signals).toBe(2);
});

test("rename takes the new name, and gives the old one free", async () => {
  using rig = new Rig();
  await rig.create({}, "c1");
  expect(await refusal(rig.containers.rename("c1", ""))).toEqual([
    "invalid",
    "Neither old nor new names may be empty",
  ]);
  expect(await refusal(rig.containers.rename("c1", "a b"))).toEqual([
    "invalid",
    "Error when allocating new name: Invalid container name (/a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
  ]);
  await rig.containers.rename("c1", "c2");
  await rig.create({}, "c1");
  expect([...rig.ctx.store.all()].map(({ name }) => name).sort()).toEqual(["/c1", "/c2"]);
});

test("two restarts at once leave one run, and none of them fails", async () => {
  using rig = new Rig();
  const id = await rig.create({});
  await rig.containers.start(id);
  await Promise.all([0, 1, 2].map(() => rig.containers.restart(id, { timeout: 0 })));
  expect((await rig.containers.inspect(id, { size: false })) as unknown).toMatchObject({
    State: { Running: true },
  });
});

test("restart of an AutoRemove container does not remove it", async () => {
  using rig = new Rig();
  const id = await rig.create({ HostConfig: { AutoRemove: true } });
  await rig.containers.start(id);
  await rig.containers.restart(id, { timeout: 0 });
  expect(rig.shim.launches.length).toBe(2);
  expect(rig.ctx.store.byId(id)?.state.status).toBe("running");
});

test("a new daemon takes back what ran, and stores what ended meanwhile", async () => {
  using first = new Rig();
  const runs = await first.create({}, "runs");
  const ended = await first.create({}, "ended");
  const gone = await first.create({}, "gone");
  for (const id of [runs, ended, gone]) await first.containers.start(id);
  const supervised = first.shim.supervised;
  supervised.get(ended)!.exit = {
    id: ended,
    status: 5,
    time: String(BigInt(Date.now() + 1) * 1_000_000n),
    oomKilled: false,
  };
  supervised.delete(gone);

  using second = new Rig(first);
  await second.containers.restore();
  const state = (id: string) => second.ctx.store.byId(id)!.state;
  expect(state(runs)).toMatchObject({ status: "running", pid: 1001 });
  expect(state(ended)).toMatchObject({ status: "exited", exitCode: 5 });
  expect(state(gone)).toMatchObject({ status: "exited", exitCode: 255 });
  expect(second.shim.released).toEqual([ended]);
});

test("a start that the daemon did not live to write down is found", async () => {
  using first = new Rig();
  const id = await first.create({}, "c1");
  await first.shim.launch({ id } as never);
  using second = new Rig(first);
  await second.containers.restore();
  expect(second.ctx.store.byId(id)!.state.status).toBe("running");
});

test("one that ended while the shim was asked stays ended, though the answer says that it runs", async () => {
  using rig = new Rig();
  const id = await rig.create({}, "c1");
  await rig.containers.start(id);
  const running = [...rig.shim.supervised.values()];
  const answer = Promise.withResolvers<Supervised[]>();
  rig.shim.list = () => answer.promise;
  const asking = reconcile(rig.ctx);
  rig.shim.end(id, 3);
  await settle();
  expect(rig.shim.released).toEqual([id]);
  answer.resolve(running.map(({ exit: _, ...entry }) => entry));
  await asking;
  expect(rig.ctx.store.byId(id)!.state).toMatchObject({ status: "exited", exitCode: 3 });
  rig.shim.list = async () => [];
  await reconcile(rig.ctx);
  expect(rig.ctx.store.byId(id)!.state).toMatchObject({ status: "exited", exitCode: 3 });
});

test("one that was removed at its end while the shim was asked is not killed, nor spoken of", async () => {
  using rig = new Rig();
  const id = await rig.create({ HostConfig: { AutoRemove: true } }, "c1");
  await rig.containers.start(id);
  const running = [...rig.shim.supervised.values()];
  const answer = Promise.withResolvers<Supervised[]>();
  rig.shim.list = () => answer.promise;
  // As the real one.
  rig.shim.signal = async () => {
    throw new EngineError("notFound", `process ${id} is not running`);
  };
  const asking = reconcile(rig.ctx);
  rig.shim.end(id, 0);
  await settle();
  expect(rig.ctx.store.byId(id)).toBeUndefined();
  answer.resolve(running.map(({ exit: _, ...entry }) => entry));
  await asking;
  expect(rig.warnings).toEqual([]);
});

test("what runs and belongs to no container is killed, and that is said", async () => {
  using rig = new Rig();
  await rig.shim.launch({ id: "stray" } as never);
  await reconcile(rig.ctx);
  expect(rig.shim.signals).toEqual([["stray", 9]]);
  expect(rig.warnings).toEqual(["killed stray, which no container claims"]);
});

test("one that is slow to be taken back, or fails, holds up no other", async () => {
  using rig = new Rig();
  const [slow, other] = [await rig.create({}, "slow"), await rig.create({}, "other")];
  for (const id of [slow, other]) await rig.containers.start(id);
  const time = String(BigInt(Date.now() + 1) * 1_000_000n);
  for (const id of [slow, other])
    rig.shim.supervised.get(id)!.exit = { id, status: 3, time, oomKilled: false };
  const released = Promise.withResolvers<void>();
  const release = rig.shim.release.bind(rig.shim);
  rig.shim.release = (id) => (id === slow ? released.promise : release(id));
  const reconciling = reconcile(rig.ctx);
  await settle();
  expect(rig.ctx.store.byId(other)!.state).toMatchObject({ status: "exited", exitCode: 3 });
  expect(rig.shim.released).toEqual([other]);
  released.reject(new Error("the connection to the shim was lost"));
  await reconciling;
  expect(rig.warnings).toEqual([`taking back ${slow}: the connection to the shim was lost`]);
});

test("oom is told once in the state, and as an event", async () => {
  using rig = new Rig();
  const id = await rig.create();
  await rig.containers.start(id);
  rig.shim.oom(id);
  rig.shim.end(id, 137);
  await settle();
  expect(rig.ctx.store.byId(id)!.state).toMatchObject({ oomKilled: true, exitCode: 137 });
  expect(rig.seen).toEqual(["create", "connect", "start", "oom", "disconnect", "die"]);
});
