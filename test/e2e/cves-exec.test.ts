/**
 * What a container that may trace (CAP_SYS_PTRACE) can reach of a process on its way in: an exec, or a container that
 * joins its pid namespace. A process that it may trace is one whose `/proc/PID/root` it may open. Needs root,
 * busybox-static.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { availableCapabilities } from "../../src/engine/container/capabilities.ts";
import type { Spec } from "../../src/engine/runtime/spec.ts";
import { Bundles, CAPS, until } from "../support/bundles.ts";

const MINUTE = 60_000;
let bundles: Bundles;

beforeAll(() => {
  bundles = new Bundles({ built: true });
});

afterAll(() => bundles.sweep());

/** It may trace, and finds what the test puts into `/tmp`. */
const watcherSpec =
  (set: string[]) =>
  (spec: Spec): void => {
    spec.process!.capabilities = { bounding: set, effective: set, permitted: set };
    spec.mounts!.push({ destination: "/tmp", type: "bind", source: bundles.base, options: ["bind"] });
  };

/** Looks at every process there is, over and over, without starting any. */
const watcher = (marker: string): string => `
seen=0
echo up >/tmp/up
while [ ! -e /tmp/stop ]; do
  for process in /proc/[0-9]*; do
    [ "$process" = /proc/1 ] || seen=$((seen + 1))
    for way in root cwd fd/3 fd/4 fd/5 fd/6 fd/64 fd/65 fd/66; do
      [ -e "$process/$way${marker}" ] && echo "$process/$way" >>/tmp/escaped
    done
  done
done
echo $seen >/tmp/seen`;

/** What a container with these capabilities reaches of the host, through processes in its pid namespace. */
async function reached(
  capabilities: string[],
  doing: () => void,
  change: (spec: Spec) => void = () => {},
): Promise<string> {
  const at = (name: string) => join(bundles.base, name);
  const marker = at("of-the-host");
  writeFileSync(marker, "");
  const folder = bundles.bundle("watched", ["sh", "-c", watcher(marker)], (spec) => {
    watcherSpec(capabilities)(spec);
    change(spec);
  });
  const words = bundles.words("run", "--detach", "--bundle", folder, "watched");
  expect(Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
  try {
    await until(() => existsSync(at("up")));
    doing();
    writeFileSync(at("stop"), "");
    await until(() => existsSync(at("seen")) && readFileSync(at("seen"), "utf8") !== "");
    // It did look at them.
    expect(Number(readFileSync(at("seen"), "utf8"))).toBeGreaterThan(0);
    return existsSync(at("escaped")) ? readFileSync(at("escaped"), "utf8") : "";
  } finally {
    bundles.tsrunc("delete", "--force", "watched");
    for (const name of ["up", "stop", "seen", "escaped"]) rmSync(at(name), { force: true });
  }
}

const pidOfWatched = (): number => JSON.parse(bundles.tsrunc("state", "watched").stdout).pid;

describe.each([
  ["may trace", [...CAPS, "CAP_SYS_PTRACE"]],
  ["may do everything", availableCapabilities()],
])("a container that %s", (_, capabilities) => {
  test(
    "finds nothing of the host's in an exec (CVE-2016-9962)",
    async () => {
      const exec = () => expect(bundles.tsrunc("exec", "watched", "true").status).toBe(0);
      expect(await reached(capabilities, () => Array.from({ length: 10 }, exec))).toBe("");
    },
    MINUTE,
  );

  test(
    "finds nothing of the host's in an exec beyond its limit of processes",
    async () => {
      const exec = () => expect(bundles.tsrunc("exec", "watched", "true").status).toBe(0);
      const single = (spec: Spec): void => {
        spec.linux!.resources!.pids = { limit: 1 };
      };
      expect(await reached(capabilities, () => Array.from({ length: 10 }, exec), single)).toBe("");
    },
    MINUTE,
  );

  test(
    "finds nothing of the host's in a container that joins its pid namespace",
    async () => {
      const joins = (spec: Spec): void => {
        const path = `/proc/${pidOfWatched()}/ns/pid`;
        spec.linux!.namespaces = spec.linux!.namespaces!.map((each) =>
          each.type === "pid" ? { ...each, path } : each,
        );
      };
      const run = (script: string) => {
        const folder = bundles.bundle("joins", ["sh", "-c", script], joins);
        return bundles.tsrunc("run", "--bundle", folder, "joins");
      };
      const escaped = await reached(capabilities, () => {
        for (let n = 0; n < 10; n++) {
          // Its /proc is that of the namespace, and the first process there is the other's.
          const { status, stdout } = run(
            "[ /proc/self/exe -ef /proc/$$/exe ] && tr '\\0' ' ' </proc/1/cmdline; exit 3",
          );
          expect([status, stdout.slice(0, 6)]).toEqual([3, "sh -c "]);
        }
      });
      expect(escaped).toBe("");
    },
    MINUTE,
  );
});
