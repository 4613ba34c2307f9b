import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildId } from "../../src/engine/shim/build.ts";
import { Connection } from "../../src/engine/shim/connection.ts";
import type { ShimClient } from "../../src/engine/shim/types.ts";
import { alive, type LaunchOptions, PIPES, ShimHarness, until } from "./shim-harness.ts";

let harness: ShimHarness;
let shim: ShimClient;
beforeEach(async () => {
  harness = new ShimHarness();
  shim = await harness.connect();
});
afterEach(() => harness.dispose());

const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n + 1}\n`);

/** kill -9, and waits until the client has started another. */
async function killShim(): Promise<void> {
  const before = harness.shimPid();
  process.kill(before, "SIGKILL");
  await until(() => ![0, before].includes(harness.shimPid()), "another shim", 1000);
}

describe("a killed shim", () => {
  test("loses, repeats and tears no line of containers that print all the time", async () => {
    const ids = [
      // Whole blocks, with lines that cross them; and one line for each write.
      await harness.launch(shim, ["seq", "1", "3000000"]),
      await harness.launch(shim, ["sh", "-c", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); echo $i; done"]),
    ];
    for (let n = 0; n < 6 && ids.some((id) => !harness.exits.has(id)); n++) {
      await killShim();
      await shim.list();
      await Bun.sleep(20 + 50 * Math.random());
    }
    await finished(ids);
    for (const [id, count] of [
      [ids[0]!, 3_000_000],
      [ids[1]!, 60_000],
    ] as const) {
      const lines = harness.lines(id);
      expect(lines.length).toBe(count);
      expect(lines.findIndex((line, n) => line !== `${n + 1}\n`)).toBe(-1);
    }
  }, 90_000);

  test("keeps the half of a line that it has read", async () => {
    const id = await harness.launch(shim, [
      "sh",
      "-c",
      "printf half; while [ ! -e /tmp/go ]; do sleep 0.02; done; echo ' a line'",
    ]);
    await until(() => existsSync(harness.file(id, "stdout")), "the half line to be read");
    await killShim();
    await shim.list();
    const go = join(harness.rootfs, "tmp/go");
    await Bun.write(go, "");
    await finished([id]);
    expect(harness.lines(id)).toEqual(["half a line\n"]);
  }, 20_000);

  test("is succeeded by one that knows what runs and what ended meanwhile", async () => {
    const running = await harness.launch(shim, ["cat"], {
      io: { kind: "pipes", stdin: true, stdinOnce: true },
    });
    const ending = await harness.launch(shim, ["sh", "-c", "sleep 0.3; echo last words; exit 42"]);
    const exec = harness.id();
    await shim.exec({
      id: exec,
      container: running,
      process: harness.process(["sh", "-c", "sleep 0.3; exit 5"]),
      io: PIPES,
    });
    const pid = harness.shimPid();
    const before = (await shim.list()).find((each) => each.id === running)!;
    // The client is held back: nobody starts a shim until all has ended.
    process.kill(pid, "SIGSTOP");
    await Bun.sleep(600);
    process.kill(pid, "SIGKILL");
    await until(() => ![0, pid].includes(harness.shimPid()), "another shim", 1000);
    const list = await shim.list();
    expect(list.find((each) => each.id === running)).toEqual(before);
    await until(async () => (await shim.list()).filter((each) => each.exit).length === 2, "both ends");
    const exits = new Map((await shim.list()).map((each) => [each.id, each.exit]));
    expect(exits.get(ending)?.status).toBe(42);
    expect(exits.get(exec)?.status).toBe(5);
    expect(harness.lines(ending)).toEqual(["last words\n"]);
    // And it is attached to, written to, executed in as before.
    const socket = await shim.attach(running, { stdin: true, stdout: true, stderr: true }, "pipes");
    const again = harness.id();
    await shim.exec({ id: again, container: running, process: harness.process(["true"]), io: PIPES });
    expect((await harness.exit(again)).status).toBe(0);
    let heard = "";
    socket.on("data", (bytes: Buffer) => {
      heard += bytes.toString("utf8", 8);
    });
    socket.end("to the end\n");
    await finished([running]);
    expect(heard).toBe("to the end\n");
  }, 20_000);

  test("has not made its client run a thing twice, when it ended before its answer came through", async () => {
    const container = await harness.launch(shim, ["sleep", "1000"]);
    const ignore = { notice: () => {}, close: () => {} };
    const file = join(harness.rootfs, "tmp/ran");
    const command = harness.process(["sh", "-c", "echo ran >> /tmp/ran"]);
    const request = { id: harness.id(), container, process: command, io: PIPES, attempt: "first" };
    const connect = () =>
      Connection.open(join(harness.execRoot, "shim.sock"), { build: buildId(), streams: () => [] }, ignore);
    const before = await connect();
    const { pid, startedAt } = await before.request("exec", request);
    await harness.exit(request.id);
    await killShim();
    await shim.list();
    const after = await connect();
    expect(await after.request("exec", request)).toMatchObject({ pid, startedAt });
    expect(readFileSync(file, "utf8")).toBe("ran\n");
    before.close();
    after.close();
  }, 20_000);

  test("leaves exits that were not stored to its successors", async () => {
    const id = await harness.launch(shim, ["sh", "-c", "exit 11"]);
    expect((await harness.exit(id)).status).toBe(11);
    await killShim();
    expect((await shim.list())[0]?.exit).toEqual(harness.exits.get(id));
    await shim.release(id);
    await killShim();
    expect(await shim.list()).toEqual([]);
    expect(harness.files()).toEqual([]);
  });
});

describe("a shim that is killed when it has just told", () => {
  test("of an end has a successor that tells it again, waits for no client that has gone, and leaves nothing", async () => {
    const pid = harness.shimPid();
    const id = harness.id();
    const stream = await shim.attach(id, { stdin: false, stdout: true, stderr: true }, "pipes");
    let cut = false;
    const ended = new Promise((resolve) => stream.once("end", resolve));
    stream.on("cut", () => {
      cut = true;
    });
    stream.resume();
    shim.onExit(() => {
      if (harness.shimPid() === pid) process.kill(pid, "SIGKILL");
    });
    await harness.launch(shim, ["sh", "-c", "echo last words; exit 12"], { id });
    const told = await harness.exit(id);
    expect(told.status).toBe(12);
    await ended;
    expect(cut).toBe(false);
    await until(() => ![0, pid].includes(harness.shimPid()), "another shim");
    await until(async () => (await shim.list())[0]?.exit !== undefined, "the end, told again", 2000);
    expect((await shim.list())[0]?.exit).toEqual(told);
    await shim.release(id);
    expect(harness.lines(id)).toEqual(["last words\n"]);
    expect(harness.files()).toEqual([]);
    for (const parent of harness.cgroups()) expect(existsSync(join(parent, id))).toBe(false);
  }, 20_000);

  test("of a start has a successor that knows what runs", async () => {
    const pid = harness.shimPid();
    const id = await harness.launch(shim, ["sleep", "60"]);
    process.kill(pid, "SIGKILL");
    await until(() => ![0, pid].includes(harness.shimPid()), "another shim");
    const [listed] = await shim.list();
    expect(listed).toMatchObject({ id, container: id, paused: false });
    expect(listed?.exit).toBeUndefined();
    expect(harness.inCgroup(id)).toContain(listed!.pid);
    await shim.signal(id, 9);
    expect((await harness.exit(id)).status).toBe(137);
  }, 20_000);
});

describe("a shim that is killed while it is connected to", () => {
  test("is succeeded at once", async () => {
    shim.close();
    process.kill(harness.shimPid(), "SIGKILL");
    await until(() => harness.shimPid() === 0, "the end of the first shim");
    const path = join(harness.execRoot, "shim.sock");
    rmSync(path);
    // It listens, and accepts nobody.
    const deaf = Bun.spawn(
      [
        process.execPath,
        "-e",
        `Bun.listen({ unix: "${path}", socket: { data() {} } }); Bun.sleepSync(60_000)`,
      ],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    await until(() => existsSync(path), "the socket");
    const connecting = harness.connect();
    deaf.kill("SIGKILL");
    while (alive(deaf.pid)) Bun.sleepSync(1);
    const start = performance.now();
    shim = await connecting;
    expect(performance.now() - start).toBeLessThan(1000);
    expect(await shim.list()).toEqual([]);
  });
});

describe("a shim of another build", () => {
  test("is replaced, and no line is lost", async () => {
    const id = await harness.launch(shim, ["seq", "1", "1000000"]);
    const first = harness.shimPid();
    shim.close();
    const bun = join(harness.folder, "bun");
    cpSync(process.execPath, bun);
    // The client's own build is that of this program: a shim that runs another file is of another build.
    process.kill(first, "SIGKILL");
    await until(() => harness.shimPid() === 0, "the end of the first shim");
    rmSync(join(harness.execRoot, "shim.sock"));
    Bun.spawn([
      bun,
      new URL("../../src/main.ts", import.meta.url).pathname,
      "ts-shim",
      "--exec-root",
      harness.execRoot,
    ]);
    await until(
      () => existsSync(join(harness.execRoot, "shim.sock")) && harness.shimPid() > 0,
      "the other build",
    );
    const other = harness.shimPid();
    shim = await harness.connect();
    expect(harness.shimPid()).not.toBe(other);
    expect(alive(other)).toBe(false);
    await finished([id]);
    expect(harness.lines(id)).toEqual(numbers(1_000_000));
  }, 60_000);
});

describe("a shim that is a service", () => {
  test("is started again by its manager, not by the daemon", async () => {
    shim.close();
    process.kill(harness.shimPid(), "SIGTERM");
    await until(() => harness.shimPid() === 0, "the end of the first shim");
    const main = new URL("../../src/main.ts", import.meta.url).pathname;
    const start = () =>
      Bun.spawn([process.execPath, main, "ts-shim", "--exec-root", harness.execRoot, "--stay"]);
    const first = start();
    await until(() => existsSync(join(harness.execRoot, "shim.sock")), "the service");
    shim = await harness.connect();
    const id = await harness.launch(shim, ["sleep", "1000"]);
    first.kill("SIGKILL");
    await first.exited;
    await Bun.sleep(100);
    const second = start();
    expect((await shim.list()).map((each) => each.id)).toEqual([id]);
    expect(harness.pids("ts-shim", harness.execRoot)).toEqual([second.pid]);
  }, 20_000);
});

describe("a killed keeper", () => {
  const kinds: [string, LaunchOptions][] = [
    ["with a pid namespace", {}],
    ["in the host's pid namespace and as another user", { namespaces: ["mount", "ipc", "uts"], uid: 1234 }],
  ];
  for (const [what, options] of kinds) {
    test(`takes its container ${what} with it, within a second, with a reason`, async () => {
      const id = await harness.launch(shim, ["sh", "-c", "sleep 1000 & echo up; sleep 1000"], options);
      await until(
        () => existsSync(harness.log(id)) && harness.lines(id).length === 1,
        "the container to be up",
      );
      const pids = harness.inCgroup(id);
      expect(pids.length).toBeGreaterThanOrEqual(2);
      process.kill(await harness.keeperPid(shim, id), "SIGKILL");
      await until(() => harness.exits.has(id) && !pids.some(alive), "the end of the container", 1000);
      expect(harness.exits.get(id)).toMatchObject({ status: 137, reason: expect.stringContaining("keeper") });
      await shim.release(id);
      expect(harness.files()).toEqual([]);
    });

    test(`while the shim is dead takes its container ${what} with it at the shim's next start`, async () => {
      const id = await harness.launch(shim, ["sh", "-c", "sleep 1000 & echo up; sleep 1000"], options);
      await until(
        () => existsSync(harness.log(id)) && harness.lines(id).length === 1,
        "the container to be up",
      );
      const pids = harness.inCgroup(id);
      const keeper = await harness.keeperPid(shim, id);
      const pid = harness.shimPid();
      process.kill(pid, "SIGSTOP");
      process.kill(keeper, "SIGKILL");
      process.kill(pid, "SIGKILL");
      await until(() => !pids.some(alive), "the end of the container", 2000);
      await until(async () => (await shim.list())[0]?.exit !== undefined, "its exit");
      expect((await shim.list())[0]?.exit).toMatchObject({
        status: 137,
        reason: expect.stringContaining("keeper"),
      });
    });
  }

  test("of an exec ends the exec alone", async () => {
    const id = await harness.launch(shim, ["sleep", "1000"]);
    const exec = harness.id();
    await shim.exec({ id: exec, container: id, process: harness.process(["sleep", "1000"]), io: PIPES });
    process.kill(await harness.keeperPid(shim, exec), "SIGKILL");
    expect(await harness.exit(exec)).toMatchObject({
      status: 137,
      reason: expect.stringContaining("keeper"),
    });
    expect((await shim.list()).find((each) => each.id === id)?.exit).toBeUndefined();
  });
});

describe("a stopped keeper", () => {
  test("holds up neither the other containers nor a successor", async () => {
    const stopped = await harness.launch(shim, ["sh", "-c", "sleep 1; exit 3"]);
    const keeper = await harness.keeperPid(shim, stopped);
    process.kill(keeper, "SIGSTOP");
    await killShim();
    const list = await shim.list();
    expect(list.map(({ id, exit }) => [id, exit])).toEqual([[stopped, undefined]]);
    const other = await harness.launch(shim, ["echo", "fine"]);
    expect((await harness.exit(other)).status).toBe(0);
    process.kill(keeper, "SIGCONT");
    expect((await harness.exit(stopped)).status).toBe(3);
  }, 20_000);
});

async function finished(ids: string[]): Promise<void> {
  await until(
    async () => {
      const list = await shim.list();
      return ids.every((id) => list.find((each) => each.id === id)?.exit !== undefined);
    },
    "the end of the containers",
    60_000,
  );
  for (const { id, exit } of await shim.list()) if (exit && ids.includes(id)) expect(exit.status).toBe(0);
  expect(readFileSync(join(harness.execRoot, "shim.log"), "utf8")).toBe("");
}
