import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { readExitRecord } from "../../src/engine/runtime/exit-record.ts";
import {
  connectKeeper,
  type Keeper,
  type KeeperEvents,
  launchKeeper,
} from "../../src/engine/runtime/keeper.ts";
import { flags, PlanBuilder } from "../../src/engine/runtime/plan.ts";
import { StepFailure } from "../../src/engine/runtime/stage.ts";
import { closeFd, signalPidfd, sys } from "../../src/ffi/libc.ts";
import { CLONE, SIG } from "../../src/ffi/process.ts";
import { type Before, bootId, keeperFiles, keptPlan, scratch, until } from "../support/plans.ts";

/** Everything a client was told, in order. */
function listener(): KeeperEvents & { told: string[]; exits: { status: number; time: bigint }[] } {
  const told: string[] = [];
  const exits: { status: number; time: bigint }[] = [];
  return {
    told,
    exits,
    exit(status, time) {
      told.push(`exit ${status}`);
      exits.push({ status, time });
    },
    watch: (index, count) => told.push(`watch ${index} ${count}`),
    close: (reason) => told.push(`close ${reason}`),
  };
}

const keepers: Keeper[] = [];
const keeperPid = (keeper: Keeper): number =>
  Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${keeper.pid}/status`, "utf8"))?.[1]);

/** Whatever a test did, its keeper and command go. */
const sweep: number[] = [];
afterEach(() => {
  for (const pid of sweep.splice(0)) sys("kill", pid, SIG.SIGKILL);
  for (const keeper of keepers.splice(0)) keeper.disconnect();
});

async function launch(folder: string, script: string, events = listener(), before?: Before): Promise<Keeper> {
  const keeper = await launchKeeper(keptPlan(folder, script, before), events);
  keepers.push(keeper);
  sweep.push(keeper.pid, keeperPid(keeper));
  return keeper;
}

async function connect(folder: string, events = listener()): Promise<Keeper> {
  const keeper = await connectKeeper(join(folder, "s"), events);
  keepers.push(keeper);
  return keeper;
}

describe("a keeper", () => {
  test("hands over its fds, tells of the exit after the record is written, and ends when told to", async () => {
    using place = scratch();
    const events = listener();
    const keeper = await launch(place.path, "read line; echo got $line; exit 3", events);
    const own = keeperPid(keeper);
    expect(readExitRecord(join(place.path, "x"))).toBeUndefined();
    const { stdin, stdout, pidfd } = await keeper.take();
    await Bun.write(Bun.file(stdin!), "hello\n");
    expect(await Bun.file(stdout!).text()).toBe("got hello\n");
    await until(() => events.told.includes("exit 3"), "the exit");
    const record = readExitRecord(join(place.path, "x"))!;
    expect(record).toMatchObject({ pid: keeper.pid, status: 3, bootId: bootId(), watches: 0 });
    expect(record.time).toBe(events.exits[0]!.time);
    expect(Math.abs(Number(record.time / 1_000_000n) - Date.now())).toBeLessThan(2000);
    for (const fd of [stdin, stdout, pidfd]) closeFd(fd!);
    keeper.end();
    await until(() => events.told.includes("close gone"), "the keeper's end");
    await until(() => sys("kill", own, 0) === -3, "the keeper's process to go");
  });

  test("hands over its fds with its greeting when it is asked before; what nobody takes is closed", async () => {
    using place = scratch();
    const open = () => readdirSync("/proc/self/fd").length;
    const early = async (name: string) => {
      const folder = join(place.path, name);
      mkdirSync(folder);
      const events = listener();
      const keeper = await launchKeeper(keptPlan(folder, "read line; echo got $line"), events, {
        takeEarly: true,
      });
      keepers.push(keeper);
      sweep.push(keeper.pid, keeperPid(keeper));
      return { keeper, events };
    };
    const { keeper } = await early("taken");
    const { stdin, stdout, stderr, pidfd } = await keeper.take();
    await Bun.write(Bun.file(stdin!), "hello\n");
    expect(await Bun.file(stdout!).text()).toBe("got hello\n");
    const again = await keeper.take();
    expect(Object.keys(again)).toContain("stdout");
    for (const fd of [stdin, stdout, stderr, pidfd, ...Object.values(again)])
      if (fd !== undefined) closeFd(fd);
    const before = open();
    const left = await early("left");
    sys("kill", keeperPid(left.keeper), SIG.SIGKILL);
    await until(() => left.events.told.includes("close gone"), "the keeper's end");
    await until(() => open() <= before, "its fds to be closed");
  });

  test("does not keep its plan in our memory", async () => {
    using place = scratch();
    const started = async (): Promise<WeakRef<object>> => {
      const plan = keptPlan(place.path, "read line");
      const keeper = await launchKeeper(plan, listener());
      keepers.push(keeper);
      sweep.push(keeper.pid, keeperPid(keeper));
      return new WeakRef(plan);
    };
    const plan = await started();
    await until(() => {
      Bun.gc(true);
      return plan.deref() === undefined;
    }, "the plan to be collected");
  });

  test("lets a new client displace the old one, and tells it all over again", async () => {
    using place = scratch();
    const first = listener();
    const second = listener();
    await launch(place.path, "read line; exit 5", first);
    const keeper = await connect(place.path, second);
    expect(keeper.generation).toBe(2);
    await until(() => first.told.includes("close displaced"), "the first client's displacement");
    const { stdin, stdout } = await keeper.take();
    closeFd(stdin!);
    closeFd(stdout!);
    keeper.closeStdin();
    await until(() => second.told.includes("exit 5"), "the exit");
    expect(first.told).toEqual(["close displaced"]);
    const third = listener();
    await connect(place.path, third);
    await until(() => third.told.includes("exit 5"), "the exit, told to who came later");
    expect(third.exits[0]!.time).toBe(second.exits[0]!.time);
  });

  test("survives kill -9 of its client, keeps what was printed, and gives it to the next", async () => {
    using place = scratch();
    const client = Bun.spawn(
      [process.execPath, join(import.meta.dir, "../support/keeper-client.ts"), place.path],
      {
        stdout: "pipe",
        stderr: "inherit",
      },
    );
    const reader = client.stdout.getReader();
    const ready = new TextDecoder().decode((await reader.read()).value);
    expect(ready).toBe("kept\n");
    client.kill("SIGKILL");
    await client.exited;
    const events = listener();
    const keeper = await connect(place.path, events);
    sweep.push(keeper.pid, keeperPid(keeper));
    const { stdout, stdin } = await keeper.take();
    closeFd(stdin!);
    keeper.closeStdin();
    expect(await Bun.file(stdout!).text()).toBe("printed early\nprinted late\n");
    closeFd(stdout!);
    await until(() => events.told.includes("exit 0"), "the exit");
  });

  test("holds no write end of stdout, no plan, and a few pages", async () => {
    using place = scratch();
    const keeper = await launch(place.path, "read line");
    const own = keeperPid(keeper);
    const maps = readFileSync(`/proc/${own}/maps`, "utf8");
    expect(maps).not.toContain("ts-plan");
    expect(maps).not.toContain("ts-status");
    const anonymous = Number(/RssAnon:\s*(\d+)/.exec(readFileSync(`/proc/${own}/status`, "utf8"))?.[1]);
    expect(anonymous).toBeLessThanOrEqual(24);
    expect(readFileSync(`/proc/${own}/cmdline`, "utf8")).toBe("ts-keeper\0");
    const { stdout, stdin } = await keeper.take();
    closeFd(stdin!);
    keeper.closeStdin();
    // Its end comes only if nobody else has the write end
    expect(await Bun.file(stdout!).text()).toBe("");
    closeFd(stdout!);
  });

  test("refuses to end before its process has", async () => {
    using place = scratch();
    const events = listener();
    const keeper = await launch(place.path, "read line", events);
    keeper.end();
    const { pidfd, stdin, stdout } = await keeper.take();
    closeFd(stdin!);
    closeFd(stdout!);
    signalPidfd(pidfd!, SIG.SIGKILL);
    closeFd(pidfd!);
    await until(() => events.told.includes("exit 137"), "the exit");
    expect(events.told).toEqual(["exit 137"]);
  });

  test("that is stopped stalls nobody", async () => {
    using place = scratch();
    const events = listener();
    const keeper = await launch(place.path, "read line", events);
    const own = keeperPid(keeper);
    sys("kill", own, SIG.SIGSTOP);
    const started = performance.now();
    let taken = false;
    const taking = keeper.take().then((fds) => {
      taken = true;
      return fds;
    });
    await Bun.sleep(20);
    expect(taken).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
    sys("kill", own, SIG.SIGCONT);
    for (const fd of Object.values(await taking)) closeFd(fd);
  });

  test("that is killed is told as gone, with no record", async () => {
    using place = scratch();
    const events = listener();
    const keeper = await launch(place.path, "read line", events);
    const taking = keeper.take();
    for (const fd of Object.values(await taking)) closeFd(fd);
    sys("kill", keeperPid(keeper), SIG.SIGKILL);
    await until(() => events.told.includes("close gone"), "the hang-up");
    expect(readExitRecord(join(place.path, "x"))).toBeUndefined();
    expect(keeper.take()).rejects.toThrow();
  });

  test("ends by itself when its folder is gone, its process too, and nobody is connected", async () => {
    const place = scratch();
    const keeper = await launch(place.path, "read line");
    const own = keeperPid(keeper);
    const { pidfd, stdin, stdout } = await keeper.take();
    keeper.disconnect();
    place[Symbol.dispose]();
    closeFd(stdin!);
    closeFd(stdout!);
    await Bun.sleep(20);
    expect(sys("kill", own, 0)).toBe(0);
    signalPidfd(pidfd!, SIG.SIGKILL);
    closeFd(pidfd!);
    await until(() => sys("kill", own, 0) === -3, "the keeper to go");
  });

  test("costs its client one fd, for the connection", async () => {
    using place = scratch();
    using other = scratch();
    await launch(place.path, "read line");
    const before = readdirSync("/proc/self/fd").length;
    await launch(other.path, "read line");
    // And one of Bun's for each child process
    expect(readdirSync("/proc/self/fd").length - before).toBeLessThanOrEqual(2);
  });

  test("serves root alone", async () => {
    using place = scratch();
    chmodSync(place.path, 0o755);
    const keeper = await launch(place.path, "read line");
    chmodSync(join(place.path, "s"), 0o777);
    expect(statSync(join(place.path, "s")).mode & 0o777).toBe(0o777);
    const stranger = Bun.spawnSync(
      ["setpriv", "--reuid=65534", "--clear-groups", "perl", "-e", STRANGER, join(place.path, "s")],
      { stderr: "inherit" },
    );
    expect(stranger.stdout.toString()).toBe("0 bytes\n");
    for (const fd of Object.values(await keeper.take())) closeFd(fd);
  });

  test("reaps orphans that come to it", async () => {
    using place = scratch();
    const events = listener();
    const keeper = await launch(place.path, "(sleep 0.05 & echo $!) ; read line; exit 1", events);
    const own = keeperPid(keeper);
    const { stdout, stdin } = await keeper.take();
    const orphan = Number(
      new TextDecoder().decode((await Bun.file(stdout!).stream().getReader().read()).value),
    );
    closeFd(stdout!);
    await until(() => sys("kill", orphan, 0) === -3, "the orphan to be reaped");
    expect(sys("kill", own, 0)).toBe(0);
    closeFd(stdin!);
    keeper.closeStdin();
    await until(() => events.told.includes("exit 1"), "the exit");
  });

  test("sleeps on when a cgroup that it watches is removed", async () => {
    using place = scratch();
    const mount = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .find((line) => line.split(" ")[2] === "cgroup2")!;
    const cgroup = join(mount.split(" ")[1]!, `keeper-test-${process.pid}`);
    mkdirSync(cgroup);
    let removed = false;
    try {
      const keeper = await launch(place.path, "read line", listener(), (b) => {
        const fd = b.fd();
        b.call("openat", [-100, b.string(join(cgroup, "cgroup.events")), 0], { fd });
        return { watches: [{ fd, kind: "priority" }] };
      });
      const own = keeperPid(keeper);
      rmdirSync(cgroup);
      removed = true;
      // It has to look again: the removal itself wakes nobody
      for (const fd of Object.values(await keeper.take())) closeFd(fd);
      const ticks = () => {
        const fields = readFileSync(`/proc/${own}/stat`, "utf8").split(" ");
        return Number(fields[13]) + Number(fields[14]);
      };
      const before = ticks();
      await Bun.sleep(200);
      expect(ticks() - before).toBeLessThan(5);
    } finally {
      if (!removed) rmdirSync(cgroup);
    }
  });

  test("reports an eventfd that fired, once for each client, and in the record", async () => {
    using place = scratch();
    const first = listener();
    let eventfd = -1;
    await launch(place.path, "read line; exit 0", first, (b) => {
      eventfd = b.fd();
      b.call("eventfd2", [0, 0x80800], { fd: eventfd });
      return { watches: [{ fd: eventfd, kind: "eventfd" }] };
    }).then(async (keeper) => {
      // The keeper's own eventfd, reached as root through a pidfd
      const pidfd = sys("pidfd_open", keeperPid(keeper), 0);
      const ours = sys("pidfd_getfd", pidfd, eventfd, 0);
      sys("write", ours, new BigUint64Array([2n]), 8);
      closeFd(ours);
      closeFd(pidfd);
    });
    await until(() => first.told.includes("watch 0 2"), "the watch");
    const second = listener();
    const keeper = await connect(place.path, second);
    await until(() => second.told.includes("watch 0 2"), "the watch, told again");
    const { stdin, stdout } = await keeper.take();
    closeFd(stdin!);
    closeFd(stdout!);
    keeper.closeStdin();
    await until(() => second.told.includes("exit 0"), "the exit");
    expect(readExitRecord(join(place.path, "x"))!.watches).toBe(1);
  });
});

test("a launch that fails says which step, and leaves no keeper", async () => {
  using place = scratch();
  const b = new PlanBuilder();
  keeperFiles(b, place.path);
  const pid = b.slot("pid");
  const child = b.label("command");
  b.add({ op: "clone", flags: flags(CLONE, "CLONE_VFORK"), child, process: 1, slot: pid, label: "clone" });
  b.add({ op: "keep", pid, held: [], bootId: bootId(), label: "keep" });
  b.place(child);
  b.call("execve", [b.string("/nope"), 0, 0], { label: 'exec "/nope"' });
  const error = await launchKeeper(b.build(), listener()).catch((error) => error);
  expect(error).toBeInstanceOf(StepFailure);
  expect(error.message).toBe('exec "/nope": no such file or directory');
});

test("SYNC tells a value, and AWAIT waits for its answer", async () => {
  using place = scratch();
  const events: KeeperEvents & { told: string[] } = listener();
  let asked = -1;
  events.sync = (tag, value, answer) => {
    asked = tag * 100 + value;
    setTimeout(() => answer(7), 5);
  };
  const plan = keptPlan(place.path, "exit 0", (b) => {
    const answer = b.slot("answer");
    const right = b.label("right");
    b.add({ op: "sync", tag: 3, value: 42, label: "tell" });
    b.add({ op: "await", tag: 3, slot: answer, label: "await" });
    b.jumpWhen(answer, { equals: 7 }, right);
    b.add({ op: "fail", errno: 1, label: "the answer is 7" });
    b.place(right);
    return {};
  });
  const keeper = await launchKeeper(plan, events);
  keepers.push(keeper);
  expect(asked).toBe(342);
  await until(() => events.told.includes("exit 0"), "the exit");
  keeper.end();
  await until(() => events.told.includes("close gone"), "the end");
});

/** Connects and prints how much it is told. */
const STRANGER = `
  use Socket;
  socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
  connect($s, sockaddr_un($ARGV[0])) or die "connect: $!";
  my $got = sysread($s, my $bytes, 100);
  print defined $got ? $got : 0, " bytes\\n";
`;
