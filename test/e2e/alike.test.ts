/**
 * Containers that differ in their names alone, one after the other: from the third on the shim does not compile their
 * plans any more. Each has what is its own. Needs root.
 */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { cgroupsOf, type Footprint } from "../support/footprint.ts";
import { Stack } from "../support/stack.ts";

setDefaultTimeout(60_000);

let stack: Stack;
let before: Footprint;
beforeEach(async () => {
  stack = await Stack.start();
  before = stack.footprint();
}, 30_000);
afterEach(async () => {
  await stack[Symbol.asyncDispose]();
}, 30_000);

/** The shim learns a plan a moment after the second. */
const ROUNDS = 5;
const LEARNED_MS = 150;

/** Says its name, and fails where another has written its own. */
const SCRIPT = "test ! -e /mine && hostname | tee /mine && exec sleep 1000";

async function run(...flags: string[]): Promise<string> {
  const id = await stack.ok("run", "-d", ...flags, "busybox", "sh", "-c", SCRIPT);
  stack.ids.add(id);
  return id;
}

const variables = (pid: number): string[] => readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");

async function expectItself(id: string): Promise<void> {
  const short = id.slice(0, 12);
  const exec = async (...words: string[]) => (await stack.docker("exec", id, ...words)).stdout.trim();
  expect(await stack.inspect(id, "{{.State.Status}}")).toBe("running");
  expect(await exec("cat", "/mine", "/etc/hostname")).toBe(`${short}\n${short}`);
  expect((await stack.docker("logs", id)).stdout.trim()).toBe(short);
  const pid = await stack.pid(id);
  expect(variables(pid)).toContain(`HOSTNAME=${short}`);
  const folders = cgroupsOf([id]);
  expect(folders.length).toBeGreaterThan(0);
  for (const folder of folders.filter((each) => existsSync(`${each}/cgroup.procs`)))
    expect(readFileSync(`${folder}/cgroup.procs`, "utf8").split("\n")).toContain(`${pid}`);
  expect(readFileSync(`/proc/${pid}/mountinfo`, "utf8")).toContain(`/${id}/hosts `);
}

const KINDS: Record<string, readonly string[]> = {
  "without a network": ["--network", "none"],
  "on the default network": [],
  "with an init": ["--init", "--network", "none"],
  "with a terminal": ["-t", "--network", "none"],
  "that are to be removed": ["--rm", "--network", "none"],
};

describe("every one is itself:", () => {
  for (const [what, flags] of Object.entries(KINDS)) {
    test(what, async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const id = await run(...flags);
        await expectItself(id);
        if (what === "on the default network") {
          const address = await stack.inspect(id, "{{.NetworkSettings.Networks.bridge.IPAddress}}");
          expect((await stack.docker("exec", id, "ip", "addr")).stdout).toContain(` ${address}/`);
        }
        await stack.ok("rm", "-f", id);
        await Bun.sleep(LEARNED_MS);
      }
      await stack.back(before);
    });
  }

  test("at once, and beside one that bears the others' marks", async () => {
    for (let round = 0; round < 3; round++) {
      const ids = await Promise.all(Array.from({ length: 6 }, () => run("--network", "none")));
      for (const id of ids) await expectItself(id);
      const strange = await run("--network", "none", "-e", `OF=${ids[0]} \x01@`);
      await expectItself(strange);
      expect(variables(await stack.pid(strange))).toContain(`OF=${ids[0]} \x01@`);
      await stack.ok("rm", "-f", strange, ...ids);
      await Bun.sleep(LEARNED_MS);
    }
    await stack.back(before);
  });
});

test("why a start fails is told in the same words every time", async () => {
  const failed = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const words of [["none-such"], ["/etc"]]) {
      const { status, stderr } = await stack.docker("run", "--rm", "--network", "none", "busybox", ...words);
      failed.add(`${status} ${stderr}`);
    }
    await Bun.sleep(LEARNED_MS);
  }
  expect([...failed]).toEqual([
    expect.stringContaining('exec: "none-such": executable file not found in $PATH'),
    expect.stringContaining('exec: "/etc": is a directory'),
  ]);
  await stack.back(before);
});

test("a shim that is killed leaves them to the next, which learns anew", async () => {
  const ids: string[] = [];
  for (let round = 0; round < 2 * ROUNDS; round++) {
    if (round === ROUNDS) await stack.nextShim(await stack.killShim());
    ids.push(await run("--network", "none"));
    await Bun.sleep(LEARNED_MS);
  }
  for (const id of ids) await expectItself(id);
  await stack.ok("rm", "-f", ...ids);
  await stack.back(before);
});
