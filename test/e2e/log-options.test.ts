/** What `--log-opt` makes of a log, seen by the real docker client and in the files. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { until } from "../support/daemon.ts";
import { TestEngine } from "./container/engine.ts";

setDefaultTimeout(60_000);
let engine: TestEngine;

beforeAll(async () => {
  engine = await TestEngine.open();
}, 60_000);
afterAll(() => engine.close(), 60_000);

const run = (...args: string[]) => engine.run("run", "--network", "none", ...args);
const logPath = async (name: string) => (await engine.run("inspect", "-f", "{{.LogPath}}", name)).out.trim();

test("labels, variables and a tag stand in each line, and in its details", async () => {
  const options = [
    "labels=b,none",
    "labels-regex=^com",
    "env=FOO",
    "env-regex=^OS_",
    "tag={{.Name}}/{{.ImageName}}",
  ];
  await run(
    ...["--name", "l1", "-l", "com.a=1", "-l", "b=x", "-e", "FOO=1", "-e", "OS_X=a b", "-e", "BAR=2"],
    ...options.flatMap((option) => ["--log-opt", option]),
    ...["busybox", "sh", "-c", "echo out; echo err >&2"],
  );
  expect((await engine.run("logs", "--details", "l1")).out).toBe(
    "FOO=1,OS_X=a+b,b=x,com.a=1,tag=l1%2Fbusybox out\n",
  );
  const { out } = await engine.run("logs", "l1");
  expect(out).toBe("out\n");
  const [line] = (await Bun.file(await logPath("l1")).text()).split("\n");
  const { time, ...rest } = JSON.parse(line!);
  expect(rest).toEqual({
    log: "out\n",
    stream: "stdout",
    attrs: { FOO: "1", OS_X: "a b", b: "x", "com.a": "1", tag: "l1/busybox" },
  });
  // The name of now, from the next start on.
  await engine.run("rename", "l1", "l2");
  await engine.run("start", "-a", "l2");
  expect((await engine.run("logs", "--details", "-n", "2", "l2")).out).toContain("tag=l2%2Fbusybox out\n");
});

test.each([
  [
    "tag={{.Nope}}",
    `template: log-tag:1:2: executing "log-tag" at <.Nope>: can't evaluate field Nope in type *logger.Info`,
  ],
  ["labels-regex=(a", "error parsing regexp: missing closing ): `(a`"],
  ["compress=true", "compress cannot be true when max-file is less than 2 or max-size is not set"],
])("with %s it cannot be started", async (option, message) => {
  expect((await engine.run("create", "--name", "bad", "--log-opt", option, "busybox", "true")).status).toBe(
    0,
  );
  const { status, err } = await engine.run("start", "bad");
  expect([status, err.split("\n")[0]]).toEqual([
    1,
    `Error response from daemon: failed to create task for container: failed to initialize logging driver: ${message}`,
  ]);
  expect((await engine.run("inspect", "-f", "{{.State.ExitCode}}", "bad")).out).toBe("128\n");
  await engine.run("rm", "bad");
});

test("rotated files are compressed, and read as before", async () => {
  const options = ["compress=true", "max-size=2k", "max-file=3"].flatMap((option) => ["--log-opt", option]);
  // Each line is read by itself, so that the files are full at the same lines always.
  const script = "for i in $(seq 1 120); do echo line $i; usleep 2000; done";
  const { out } = await run("--name", "packed", ...options, "busybox", "sh", "-c", script);
  const path = await logPath("packed");
  const files = () =>
    readdirSync(dirname(path))
      .filter((file) => file.includes("-json.log."))
      .sort();
  await until(
    () => files().length === 2 && files().every((file) => file.endsWith(".gz")),
    "compressed files",
  );
  const logged = (await engine.run("logs", "packed")).out;
  expect(out.endsWith(logged)).toBe(true);
  const current = (await Bun.file(path).text()).split("\n").length - 1;
  const lines = logged.split("\n").length - 1;
  expect(lines).toBeGreaterThan(current + 20);
  expect((await engine.run("logs", "-n", String(lines - 1), "packed")).out).toBe(
    logged.slice(logged.indexOf("\n") + 1),
  );
});
