/** Thirty containers at once while daemon, shim and both are killed again and again. Needs root. */
import { expect, test } from "bun:test";
import { until } from "../support/daemon.ts";
import { Stack, wrongLine } from "../support/stack.ts";

const COUNT = 30;
const KILLS = 12;

test("thirty containers under a killing loop lose nothing, and end as they should", async () => {
  await using stack = await Stack.start();
  const before = stack.footprint();
  const numbers = Array.from({ length: COUNT }, (_, n) => n);
  // Each prints in its own rhythm and ends with its own status; a third of them ends while the killing goes on.
  const script = (n: number) =>
    `i=0; while [ ! -e /go/stop${n % 3} ]; do i=$((i+1)); echo $i; [ $((i % 20)) -eq 0 ] && usleep ${20_000 + n * 1000}; done
    echo end $i; exit ${n}`;
  await Promise.all(numbers.map((n) => stack.run(["--name", `box-${n}`], script(n))));
  // Waiting from before on, as long as there is a daemon; and again when there is another.
  const waited = new Map<number, string>();
  let over = false;
  const waiting = numbers.slice(0, 6).map(async (n) => {
    while (!over) {
      const { stdout, status } = await stack.docker("wait", `box-${n}`);
      if (status === 0) return void waited.set(n, stdout.trim());
      await Bun.sleep(100);
    }
  });
  for (let kill = 0; kill < KILLS; kill++) {
    if (kill === KILLS / 2) stack.signal("stop0");
    const shim = stack.shimPid();
    if (kill % 3 === 0) await stack.killDaemon();
    if (kill % 3 !== 0 || kill % 2 === 0) process.kill(shim, "SIGKILL");
    if (kill % 3 === 2) await stack.killDaemon();
    if (!stack.daemon.running) await stack.begin();
    // Not always at rest when the next one comes.
    if (kill % 2 === 0) await until(() => stack.shimPid() !== 0 && stack.shimPid() !== shim, "a shim", 3000);
    else await Bun.sleep(37 * kill);
    await until(() => stack.shimPid() !== 0, "a shim", 3000);
  }
  stack.signal("stop1");
  stack.signal("stop2");
  const statuses = await stack.ok("wait", ...numbers.map((n) => `box-${n}`));
  expect(statuses.split("\n").map(Number)).toEqual(numbers);
  over = true;
  await Promise.all(waiting);
  for (const [n, status] of waited) expect(status).toBe(String(n));
  const wrong: string[] = [];
  for (const n of numbers) {
    const what = wrongLine((await stack.docker("logs", `box-${n}`)).stdout);
    if (what !== undefined) wrong.push(`box-${n}: ${what}`);
  }
  expect(wrong).toEqual([]);
  await stack.ok("rm", ...numbers.map((n) => `box-${n}`));
  await stack.back(before);
}, 60_000);
