/**
 * A container whose files are served by itself (FUSE), and never: whoever asks for one of them waits, and nobody else
 * does. Needs root, docker.io (the client), busybox-static, /dev/fuse.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { compileFreestanding } from "../../build/freestanding.ts";
import { until } from "../support/daemon.ts";
import { commandLine, pids } from "../support/footprint.ts";
import { Stack } from "../support/stack.ts";

const MINUTE = 60_000;
/** Far more than anything takes here, and far less than for ever. */
const AT_ONCE_MS = 10_000;
let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start({ args: ["--bridge", "none"] });
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  const from = join(import.meta.dir, "../support");
  compileFreestanding(arch, { output: join(stack.go, "deaf"), from, files: ["deaf-fuse.c"] });
}, MINUTE);

afterAll(() => stack[Symbol.asyncDispose](), MINUTE);

const copies = (): number[] =>
  pids().filter((pid) => commandLine(pid).includes("ts-copy") && parentOf(pid) === stack.daemon.pid);
const parentOf = (pid: number): number => {
  const { stdout } = Bun.spawnSync(["ps", "-o", "ppid=", "-p", String(pid)]);
  return Number(stdout.toString());
};

async function atOnce(...words: string[]): Promise<string> {
  const before = performance.now();
  const said = await stack.ok(...words);
  expect(performance.now() - before, words.join(" ")).toBeLessThan(AT_ONCE_MS);
  return said;
}

describe.each([
  ["that nobody takes", []],
  ["that are taken and not answered", ["take"]],
])("requests %s", (_, mode) => {
  test(
    "hold up who made them, and nobody else; the container can be removed",
    async () => {
      const flags = ["--network", "none", "--device", "/dev/fuse", "--cap-add", "SYS_ADMIN"];
      await stack.run(["--name", "deaf", ...flags], `exec /go/deaf /deaf ${mode.join("")}`);
      await until(async () => (await stack.docker("logs", "deaf")).stdout === "up\n", "the mount");
      const other = await stack.run(["--name", "other", "--network", "none"], "sleep 1000");
      const clients = [
        ["cp", "deaf:/deaf/file", "-"],
        ["cp", "deaf:/deaf/.", join(stack.folder, "out")],
        ["cp", "/etc/passwd", "deaf:/deaf/new"],
        ["export", "-o", join(stack.folder, "export"), "deaf"],
      ].map((words) =>
        Bun.spawn(["docker", "-H", `unix://${stack.daemon.socket}`, ...words], {
          stdio: ["ignore", "ignore", "ignore"],
        }),
      );
      await until(() => copies().length === clients.length, "all of them to wait");

      expect(await atOnce("ps", "-q")).toContain(other.slice(0, 12));
      expect(await atOnce("run", "--rm", "--network", "none", "busybox", "echo", "hi")).toBe("hi");
      expect(await atOnce("exec", "deaf", "echo", "hi")).toBe("hi");
      expect(await atOnce("exec", "-u", "0:0", "deaf", "cat", "/etc/passwd")).toContain("root");
      expect(await atOnce("top", "deaf")).toContain("deaf");
      expect(await atOnce("diff", "deaf")).toContain("A /deaf");
      await atOnce("cp", "deaf:/etc/passwd", join(stack.folder, "passwd"));
      await atOnce("stats", "--no-stream", "deaf");
      await atOnce("rm", "-f", "other");
      expect(clients.map(({ exitCode }) => exitCode)).toEqual(clients.map(() => null));

      for (const client of clients.slice(0, 2)) client.kill("SIGKILL");
      // Their copies need not end yet: what has been taken keeps even the killed, and so does a folder's lock that another
      // one holds while it waits.
      await atOnce("rm", "-f", "deaf");
      await until(() => copies().length === 0, "nothing to wait any more");
      // An export may have begun with another folder, and be whole.
      const [put] = await Promise.all(clients.slice(2).map(({ exited }) => exited));
      expect(put).toBe(1);
    },
    2 * MINUTE,
  );
});
