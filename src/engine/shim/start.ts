/** Starts a shim that outlives whoever starts it. */
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tryLock } from "../../ffi/poll.ts";
import { ownProgram } from "../own-program.ts";

export interface StartOptions {
  execRoot: string;
  program?: readonly string[];
}

/** Is a shim there already, though it may not answer yet? Whoever holds the lock is one. */
export function shimExists(execRoot: string): boolean {
  let fd: number;
  try {
    fd = openSync(join(execRoot, "shim.lock"), "r");
  } catch {
    return false;
  }
  try {
    return !tryLock(fd);
  } finally {
    closeSync(fd);
  }
}

/** `exited` says why it ended, if it did. */
export function startShim({ execRoot, program }: StartOptions): { exited(): string | undefined } {
  mkdirSync(execRoot, { recursive: true, mode: 0o700 });
  const logPath = join(execRoot, "shim.log");
  const log = openSync(logPath, "w", 0o600);
  try {
    const shim = Bun.spawn([...(program ?? ownProgram("ts-shim")), "--exec-root", execRoot], {
      // Its own session: no terminal's signals, no process group of ours.
      detached: true,
      ...(program === undefined ? { argv0: process.execPath } : {}),
      cwd: "/",
      stdio: ["ignore", log, log],
      // Nothing of the daemon's environment: it may hold secrets, and variables that change the program.
      env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/" },
    });
    shim.unref();
    return {
      exited: () => {
        if (shim.exitCode === null && shim.signalCode === null) return undefined;
        const said = readFileSync(logPath, "utf8").trim();
        return said === "" ? `it ended with ${shim.signalCode ?? shim.exitCode}` : said;
      },
    };
  } finally {
    closeSync(log);
  }
}
