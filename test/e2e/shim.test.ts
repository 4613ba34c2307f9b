import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { ShimClient } from "../../src/engine/shim/types.ts";
import { spares } from "../support/spares.ts";
import { PIPES, ShimHarness, until } from "./shim-harness.ts";

let harness: ShimHarness;
let shim: ShimClient;
beforeAll(async () => {
  harness = new ShimHarness();
  shim = await harness.connect();
});
afterAll(() => harness.dispose());

const ALL = { stdin: true, stdout: true, stderr: true };

/** All that comes until the end, and the payload of its frames by stream. */
async function collect(socket: Duplex): Promise<{ raw: Buffer; stdout: string; stderr: string }> {
  const parts: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => parts.push(bytes));
  await new Promise((resolve) => socket.once("end", resolve));
  const raw = Buffer.concat(parts);
  const text: [string, string, string] = ["", "", ""];
  for (let at = 0; at + 8 <= raw.length; ) {
    const length = raw.readUInt32BE(at + 4);
    text[raw[at] as 1 | 2] += raw.toString("utf8", at + 8, at + 8 + length);
    at += 8 + length;
  }
  return { raw, stdout: text[1], stderr: text[2] };
}

describe("a supervised container", () => {
  test("is attached to from its first byte, logged, and its status told", async () => {
    const id = harness.id();
    const socket = await shim.attach(id, ALL, "pipes");
    const output = collect(socket);
    await harness.launch(shim, ["sh", "-c", "echo out; echo err >&2; exit 7"], { id });
    expect(await output).toMatchObject({ stdout: "out\n", stderr: "err\n" });
    expect(await harness.exit(id)).toMatchObject({ status: 7, oomKilled: false });
    expect(harness.lines(id).sort()).toEqual(["err\n", "out\n"]);
    await shim.release(id);
    expect(harness.files()).toEqual([]);
  });

  test("reads what a client sends, until it closes its side", async () => {
    const id = harness.id();
    const socket = await shim.attach(id, ALL, "pipes");
    const output = collect(socket);
    const sent = Buffer.alloc(3_000_000, "0123456789abcdef\n");
    socket.write(sent);
    await harness.launch(shim, ["cat"], {
      id,
      io: { kind: "pipes", stdin: true, stdinOnce: true },
      log: false,
    });
    socket.end();
    expect((await output).stdout === sent.toString()).toBe(true);
    expect((await harness.exit(id)).status).toBe(0);
    await shim.release(id);
  });

  test("has a terminal with a size, whose output is raw", async () => {
    const id = harness.id();
    const socket = await shim.attach(id, ALL, "pty");
    const output = collect(socket);
    const io = { kind: "pty", stdin: true, stdinOnce: true, cols: 91, rows: 17 } as const;
    await harness.launch(shim, ["sh", "-c", "stty size; read x; stty size; echo $x"], { id, io });
    await until(() => existsSync(harness.log(id)) && harness.lines(id).length > 0, "the first size");
    await shim.resize(id, 120, 40);
    socket.write("typed\n");
    expect((await output).raw.toString()).toContain("17 91\r\n");
    expect((await output).raw.toString()).toEndWith("40 120\r\ntyped\r\n");
    await harness.exit(id);
    await shim.release(id);
  });

  test("runs execs, is signalled, paused and thawed", async () => {
    const id = await harness.launch(shim, ["sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.05; done"]);
    const exec = harness.id();
    const output = collect(await shim.attach(exec, ALL, "pipes"));
    await shim.exec({
      id: exec,
      container: id,
      process: harness.process(["sh", "-c", "echo in $$; exit 3"]),
      io: PIPES,
    });
    expect((await output).stdout).toMatch(/^in \d+\n$/);
    expect((await harness.exit(exec)).status).toBe(3);
    await shim.pause(id);
    expect((await shim.list()).find((each) => each.id === id)?.paused).toBe(true);
    await shim.unpause(id);
    await shim.signal(id, 15);
    expect((await harness.exit(id)).status).toBe(9);
    await shim.release(exec);
    await shim.release(id);
  });

  test("that needs too much memory is reported as killed for that", async () => {
    const id = await harness.launch(shim, ["sh", "-c", "x=$(yes | head -c 90000000); echo survived"], {
      memory: 8 * 2 ** 20,
    });
    expect(await harness.exit(id)).toMatchObject({ status: 137, oomKilled: true });
    expect(harness.ooms).toContain(id);
    await shim.release(id);
  });

  test("whose folder is removed under it has no log, and nothing is said of that; of any other failure it is", async () => {
    const before = harness.warnings.length;
    const gone = await harness.launch(shim, ["/bin/echo", "x"], { log: join(harness.folder, "gone/x.log") });
    await harness.exit(gone);
    await shim.release(gone);
    expect(harness.warnings.slice(before)).toEqual([]);
    const folder = await harness.launch(shim, ["/bin/echo", "x"], { log: harness.folder });
    await harness.exit(folder);
    await shim.release(folder);
    expect(harness.warnings.slice(before)).toEqual([expect.stringContaining(`log of ${folder}: EISDIR`)]);
  });

  test("whose root is volatile starts again after a launch that was cut short", async () => {
    const folder = join(harness.folder, "layers");
    const [upper, work] = [join(folder, "upper"), join(folder, "work")];
    mkdirSync(upper, { recursive: true });
    // What the kernel leaves of a mount that nobody unmounted.
    mkdirSync(join(work, "work/incompat/volatile"), { recursive: true });
    const id = await harness.launch(shim, ["/bin/echo", "x"], {
      rootfs: { kind: "overlay", lower: [harness.rootfs], upper, work, options: ["volatile"] },
    });
    expect(await harness.exit(id)).toMatchObject({ status: 0 });
    await shim.release(id);
  });

  test("that cannot start says which step failed, and leaves nothing", async () => {
    const failed = harness.launch(shim, ["no-such-command"]);
    expect(failed).rejects.toMatchObject({ code: 127, message: expect.stringContaining("no-such-command") });
    await failed.catch(() => {});
    expect(harness.files()).toEqual([]);
  });
});

describe("a client that does not read", () => {
  test("holds up neither the log nor another client, and gets all of it later", async () => {
    const id = harness.id();
    const slow = await shim.attach(id, ALL, "pipes");
    slow.pause();
    const fast = collect(await shim.attach(id, ALL, "pipes"));
    await harness.launch(shim, ["seq", "1", "2000000"], { id });
    const expected = `${Array.from({ length: 2_000_000 }, (_, n) => n + 1).join("\n")}\n`;
    expect((await fast).stdout === expected).toBe(true);
    expect((await harness.exit(id)).status).toBe(0);
    expect(harness.lines(id).length).toBe(2_000_000);
    const late = collect(slow);
    slow.resume();
    expect((await late).stdout === expected).toBe(true);
    await shim.release(id);
  }, 60_000);
});

describe("the shim", () => {
  test("is one for each exec root", async () => {
    const second = Bun.spawn(
      [
        process.execPath,
        new URL("../../src/main.ts", import.meta.url).pathname,
        "ts-shim",
        "--exec-root",
        harness.execRoot,
      ],
      { stderr: "pipe" },
    );
    expect(await second.exited).toBe(75);
    expect(await new Response(second.stderr).text()).toContain("another shim is running");
  }, 20_000);

  test("called with nothing says what it is for, and makes nothing", () => {
    const script = 'mount -t tmpfs run /run && { "$@"; echo $?; ls -A /run; }';
    const main = new URL("../../src/main.ts", import.meta.url).pathname;
    const { stdout, stderr } = Bun.spawnSync(
      ["unshare", "-m", "sh", "-c", script, "sh", process.execPath, main, "ts-shim"],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    expect(stderr.toString()).toStartWith("Usage: ts-shim");
    expect(stdout.toString()).toBe("125\n");
  }, 20_000);

  test("leaks no fd, process, cgroup or file over many containers", async () => {
    const pid = harness.shimPid();
    const fds = () => readdirSync(`/proc/${pid}/fd`).length;
    const run = async () => {
      const ids = await Promise.all(Array.from({ length: 10 }, () => harness.launch(shim, ["echo", "x"])));
      for (const id of ids) {
        await harness.exit(id);
        await shim.release(id);
      }
    };
    // Waker and spare stage are left; what a keeper's end closes here is closed a moment after it.
    const keepersEnd = () =>
      until(
        () => harness.children(pid).length === 2 && spares(pid).length === 1,
        "the end of the keepers, and another spare stage",
      );
    await run();
    await keepersEnd();
    const before = fds();
    await run();
    await run();
    await keepersEnd();
    await until(() => fds() <= before, "all fds to be closed");
    expect(harness.files()).toEqual([]);
    for (const parent of harness.cgroups()) {
      expect(readdirSync(parent, { withFileTypes: true }).filter((entry) => entry.isDirectory())).toEqual([]);
    }
  }, 30_000);

  test("has a stage in stock for the next start, which another one did not wait for", async () => {
    const pid = harness.shimPid();
    await until(() => spares(pid).length === 1, "a spare stage");
    const [spare] = spares(pid);
    const [first, second] = await Promise.all([
      harness.launch(shim, ["sleep", "60"]),
      harness.launch(shim, ["sleep", "60"]),
    ]);
    const keepers = [await harness.keeperPid(shim, first), await harness.keeperPid(shim, second)];
    expect(keepers[0]).toBe(spare!);
    await until(() => spares(pid).length === 1, "the next one");
    expect(keepers).not.toContain(spares(pid)[0]!);
    const [next] = spares(pid);
    const exec = harness.id();
    await shim.exec({ id: exec, container: first, process: harness.process(["sleep", "60"]), io: PIPES });
    expect(await harness.keeperPid(shim, exec)).toBe(next!);
  });

  test("ends by itself when it has neither containers nor a daemon", async () => {
    const other = new ShimHarness();
    const client = await other.connect();
    const pid = other.shimPid();
    expect(pid).toBeGreaterThan(0);
    client.close();
    await until(() => other.shimPid() === 0, "the end of the idle shim");
    await other.dispose();
  }, 20_000);
});
