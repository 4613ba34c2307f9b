/** Attached clients while the shim is killed: their streams go on where they were. Needs root. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { until } from "../support/daemon.ts";
import { stack, useStack } from "./stack-harness.ts";

useStack();

const client = (...args: string[]) =>
  Bun.spawn(["docker", "-H", `unix://${stack.daemon.socket}`, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });

/** kill -9 of the shim again and again, until it is told to stop. */
function killing(pauseMs: () => number): () => Promise<number> {
  let over = false;
  let kills = 0;
  const loop = (async () => {
    while (!over) {
      await Bun.sleep(pauseMs());
      const killed = stack.shimPid();
      if (killed === 0) continue;
      process.kill(killed, "SIGKILL");
      kills++;
      await stack.nextShim(killed);
    }
  })();
  return async () => {
    over = true;
    await loop;
    return kills;
  };
}

const digest = async (stream: AsyncIterable<Uint8Array>): Promise<[string, number]> => {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return [hash.digest("hex"), bytes];
};

test("a run's output comes whole, in order and once, and its status is its own", async () => {
  const script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); echo $i; done; exit 5";
  const run = client("run", "--rm", "busybox", "sh", "-c", script);
  const out = new Response(run.stdout).text();
  await until(async () => (await stack.ok("ps", "-q")) !== "", "the container to run");
  const stop = killing(() => 20 + 100 * Math.random());
  const lines = (await out).split("\n");
  expect(await stop()).toBeGreaterThan(1);
  expect(lines.findIndex((line, n) => line !== String(n + 1))).toBe(200_000);
  expect(lines.length).toBe(200_001);
  expect(await run.exited).toBe(5);
}, 60_000);

test("an exec's binary output comes whole, and its status is its own", async () => {
  await stack.run(
    ["--name", "box"],
    "dd if=/dev/urandom of=/data bs=1M count=40 2>/dev/null; touch /go/made; sleep 1000",
  );
  await until(
    async () => (await stack.docker("exec", "box", "test", "-e", "/go/made")).status === 0,
    "the data",
  );
  const sum = (await stack.ok("exec", "box", "sha256sum", "/data")).split(" ")[0]!;
  const script =
    "i=0; while [ $i -lt 40 ]; do dd if=/data bs=1M count=1 skip=$i 2>/dev/null; usleep 30000; i=$((i+1)); done; exit 4";
  const exec = client("exec", "box", "sh", "-c", script);
  const stop = killing(() => 50 + 200 * Math.random());
  const [heard, bytes] = await digest(exec.stdout);
  expect(await stop()).toBeGreaterThan(1);
  expect([bytes, heard]).toEqual([40 * 1024 * 1024, sum]);
  expect(await exec.exited).toBe(4);
}, 60_000);

test("short ones end with their own output and status, at whatever moment of theirs the shim is killed", async () => {
  await stack.run(["--name", "box"], "sleep 1000");
  const stop = killing(() => 30 + 150 * Math.random());
  for (let round = 0; round < 15; round++) {
    const script = `echo one; usleep ${Math.round(80_000 * Math.random())}; echo two; exit 4`;
    const ends = [
      ["run", "--rm", "busybox"],
      ["exec", "box"],
      ["run", "--rm", "--network", "none", "busybox"],
      ["exec", "box"],
    ].map(async (words) => {
      const one = client(...words, "sh", "-c", script);
      return [words[0], await new Response(one.stdout).text(), await one.exited];
    });
    for (const [verb, heard, status] of await Promise.all(ends))
      expect([verb, heard, status]).toEqual([verb, "one\ntwo\n", 4]);
  }
  expect(await stop()).toBeGreaterThan(5);
}, 90_000);

test("what a client types arrives once, and is answered", async () => {
  const cat = client("run", "-i", "--rm", "busybox", "cat");
  let heard = "";
  const hearing = (async () => {
    for await (const chunk of cat.stdout) heard += new TextDecoder().decode(chunk);
  })();
  let said = "";
  for (let n = 0; n < 12; n++) {
    const line = `line ${n}\n`;
    said += line;
    cat.stdin.write(line);
    cat.stdin.flush();
    // One is on its way when the shim dies, the next comes when there is none, or its successor.
    if (n % 2 === 1)
      await until(() => heard === said, `an echo of ${JSON.stringify(said)}, not ${JSON.stringify(heard)}`);
    await until(() => stack.shimPid() !== 0, "a shim");
    if (n > 0) await stack.killShim();
  }
  cat.stdin.end();
  await hearing;
  expect(heard).toBe(said);
  expect(await cat.exited).toBe(0);
}, 60_000);

test("a terminal's stream goes on, raw", async () => {
  await stack.ok("run", "-dit", "--name", "box", "busybox", "sh");
  const script = Bun.spawn(
    ["script", "-qec", `docker -H unix://${stack.daemon.socket} attach box`, "/dev/null"],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  let heard = "";
  const hearing = (async () => {
    for await (const chunk of script.stdout) heard += new TextDecoder().decode(chunk);
  })();
  for (let n = 1; n <= 4; n++) {
    script.stdin.write(`echo $((${n} * 1111))\n`);
    script.stdin.flush();
    await until(() => heard.includes(`\n${n * 1111}\r`), `the answer ${n} in ${JSON.stringify(heard)}`);
    const killed = await stack.killShim();
    await stack.nextShim(killed);
  }
  script.stdin.write("exit 3\n");
  script.stdin.flush();
  await hearing;
  expect(await script.exited).toBe(3);
}, 60_000);

test("an exec that outlives its client's daemon is not said to have succeeded", async () => {
  await stack.run(["--name", "box"], "sleep 1000");
  const { Id } = (await (
    await stack.daemon.request("/containers/box/exec", {
      method: "POST",
      body: JSON.stringify({
        AttachStdout: true,
        Cmd: ["sh", "-c", "while [ ! -e /go/on ]; do usleep 10000; done; exit 4"],
      }),
      headers: { "content-type": "application/json" },
    })
  ).json()) as { Id: string };
  const state = async () =>
    (await (await stack.daemon.request(`/exec/${Id}/json`)).json()) as {
      Running: boolean;
      Pid: number;
      ExitCode: number | null;
    };
  const started = stack.daemon
    .request(`/exec/${Id}/start`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    })
    .then((answer) => answer.text())
    .catch(() => {});
  await until(async () => (await state()).Pid !== 0, "the exec to run");
  expect((await state()).ExitCode).toBe(null);
  await stack.killDaemon();
  await started;
  await stack.begin();
  expect(await state()).toMatchObject({ Running: true, ExitCode: 255 });
  stack.signal("on");
  await until(async () => !(await state()).Running, "the end of the exec");
  expect(await state()).toMatchObject({ Running: false, ExitCode: 4 });
}, 60_000);
