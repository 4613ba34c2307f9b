/**
 * `guard.ts REPORT COMMAND…`: runs a command as a subreaper, with a temporary folder of its own as TMPDIR, so that no
 * process and no file of it can get out of sight. What is left when it has ended is written to REPORT (`-`: standard
 * error), one line each, and taken away. Ends with the command's status. A signal ends the command and all its descendants.
 */
import { dlopen, FFIType } from "bun:ffi";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { descendants, leftBehind, lookAround, sweep, unmountNetns } from "./machine.ts";

const PR_SET_PDEATHSIG = 1;
const PR_SET_CHILD_SUBREAPER = 36;
/** A shim without daemon and containers ends by itself within this time. */
const PATIENCE = 10_000;

const [report, ...command] = process.argv.slice(2);
if (report === undefined || command.length === 0) throw new Error("usage: guard.ts REPORT COMMAND…");

const { i32, u64, ptr } = FFIType;
const libc = dlopen("libc.so.6", {
  prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
  waitid: { args: [i32, i32, ptr, i32], returns: i32 },
});
libc.symbols.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n);
libc.symbols.prctl(PR_SET_PDEATHSIG, BigInt(constants.signals.SIGTERM), 0n, 0n, 0n);

const before = lookAround();
const folder = mkdtempSync(join(tmpdir(), "tsd-test-"));
// As /tmp is: tests of other users' access need to get here.
chmodSync(folder, 0o1777);

const [P_ALL, P_PID, WNOHANG, WEXITED, WNOWAIT] = [0, 1, 1, 4, 0x0100_0000];
/** Ends the zombies that a subreaper inherits, as pid 1 does; the command's own end is left to Bun. */
function reap(command: number): void {
  const info = new Int32Array(32);
  for (;;) {
    info[4] = 0;
    libc.symbols.waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT);
    // Offset 16 of siginfo_t: si_pid.
    const pid = info[4]!;
    if (pid === 0 || pid === command) return;
    libc.symbols.waitid(P_PID, pid, info, WEXITED | WNOHANG);
  }
}

/** Until none is left: a keeper's end leaves its container, and a container's its children, for the next round. */
function killAll(): void {
  for (let round = 0; round < 50; round++) {
    const living = descendants(process.pid);
    if (living.length === 0) return;
    for (const { pid } of living) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    Bun.sleepSync(20);
  }
}

function clean(): string[] {
  killAll();
  unmountNetns(before);
  let left = leftBehind(before, folder);
  // A cgroup is removed when the kernel has let go of its last process.
  for (let n = 0; n < 20 && left.some((line) => !line.startsWith("temporary")); n++) {
    Bun.sleepSync(100);
    left = leftBehind(before, folder);
  }
  sweep(left, folder);
  return left;
}

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  process.on(signal, () => {
    clean();
    process.exit(128 + constants.signals[signal]);
  });
}

const child = Bun.spawn(command, {
  stdio: ["inherit", "inherit", "inherit"],
  env: { ...process.env, TMPDIR: folder },
});
setInterval(() => reap(child.pid), 5);
const status = await child.exited;
const end = Date.now() + PATIENCE;
let living = descendants(process.pid);
while (living.length > 0 && Date.now() < end) {
  await Bun.sleep(50);
  living = descendants(process.pid);
}
const left = [...living.map(({ pid, command: words }) => `process ${pid} ${words}`), ...clean()];
const text = left.map((line) => `${line}\n`).join("");
if (report === "-") process.stderr.write(text);
else writeFileSync(report, text);
process.exit(status);
