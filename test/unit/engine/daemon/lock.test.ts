/** The lock of a daemon's root, held by processes of all kinds. */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lock } from "../../../../src/engine/daemon/lock.ts";

function lockFile() {
  const folder = mkdtempSync(join(tmpdir(), "tsd-lock-"));
  return { path: join(folder, "lock"), [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

/** Locks a file as a shell does, and goes on as another program with the lock. Resolves when it is held. */
async function hold(path: string, ...words: string[]) {
  const script = 'exec 9>>"$1"; flock 9; printf "%s" "$2" >"$1"; shift 2; echo held; exec "$@"';
  const child = Bun.spawn(["bash", "-c", script, "bash", path, ...words], { stdout: "pipe" });
  await child.stdout.getReader().read();
  return child;
}

test("is waited for when a killed holder's child has it for a moment", async () => {
  using file = lockFile();
  // No process has this pid: it is above the kernel's highest.
  const child = await hold(file.path, "99999999", "sleep", "0.3");
  using _ = await Lock.acquire(file.path, "it");
  expect(child.exitCode ?? (await child.exited)).toBe(0);
  expect(readFileSync(file.path, "utf8")).toBe(`${process.pid}\n`);
});

test("is refused at once when a daemon has it, by its pid", async () => {
  using file = lockFile();
  const child = await hold(
    file.path,
    "1",
    "bash",
    "-c",
    `echo $$ >"${file.path}"; exec -a "tsd daemon" sleep 1000`,
  );
  try {
    while (!/daemon/.test(readFileSync(`/proc/${child.pid}/cmdline`, "utf8"))) await Bun.sleep(5);
    await expect(Lock.acquire(file.path, "the root")).rejects.toThrow(
      `another daemon (pid ${child.pid}) uses the root`,
    );
    expect(child.exitCode).toBe(null);
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
});

test("is not taken on a file that was removed meanwhile", async () => {
  using file = lockFile();
  const child = await hold(file.path, "99999999", "sleep", "0.3");
  const taken = Lock.acquire(file.path, "it");
  await Bun.sleep(50);
  rmSync(file.path);
  using _ = await taken;
  expect(await child.exited).toBe(0);
  expect(readFileSync(file.path, "utf8")).toBe(`${process.pid}\n`);
});

test("takes away the file that it made, and no other", async () => {
  using file = lockFile();
  for (const there of [false, true]) {
    using lock = await Lock.acquire(file.path, "it");
    lock.remove();
    expect(existsSync(file.path)).toBe(there);
    if (!there) writeFileSync(file.path, "");
  }
});

test("is given back by its end, and by dispose", async () => {
  using file = lockFile();
  const child = await hold(file.path, "99999999", "true");
  await child.exited;
  (await Lock.acquire(file.path, "it"))[Symbol.dispose]();
  (await Lock.acquire(file.path, "it"))[Symbol.dispose]();
});
