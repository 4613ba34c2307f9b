/** What a client that stays costs. Needs root. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { until } from "../support/daemon.ts";
import { Stack } from "../support/stack.ts";

/** KiB of the program's code that are mapped into a process. */
function mappedCode(pid: number): number {
  const mappings = readFileSync(`/proc/${pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const code = mappings.filter((text) => / r-xp .*\/tsd\n/.test(text));
  return code.reduce((sum, text) => sum + Number(/^Rss:\s+(\d+)/m.exec(text)![1]), 0);
}

test("a client that stays attached lets go of the code that its start took, and goes on", async () => {
  await using stack = await Stack.start();
  const words = ["run", "--rm", "-i", "--name", "stays", "--network", "none", "busybox", "cat"];
  const client = Bun.spawn([stack.program, "-H", `unix://${stack.daemon.socket}`, ...words], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await until(
    () =>
      stack.inspect("stays", "{{.State.Running}}").then(
        (running) => running === "true",
        () => false,
      ),
    "the container to run",
  );
  const before = mappedCode(client.pid);
  expect(before).toBeGreaterThan(10_000);
  await until(() => mappedCode(client.pid) < before / 2, "the client to let go of its code");
  client.stdin.write("still here\n");
  client.stdin.end();
  expect(await client.stdout.text()).toBe("still here\n");
  expect(await client.exited).toBe(0);
}, 60_000);
