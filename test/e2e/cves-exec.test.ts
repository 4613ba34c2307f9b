/**
 * What a container that may trace (CAP_SYS_PTRACE) can reach of an exec on its way in. A process that it may trace is
 * one whose `/proc/PID/root` it may open. Needs root, busybox-static.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spec } from "../../src/engine/runtime/spec.ts";
import { Bundles, CAPS, until } from "../support/bundles.ts";

const MINUTE = 60_000;
let bundles: Bundles;

beforeAll(() => {
  bundles = new Bundles({ built: true });
});

afterAll(() => bundles.remove());

const trace = (spec: Spec): void => {
  const set = [...CAPS, "CAP_SYS_PTRACE"];
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
    [ -e "$process/root${marker}" ] && echo "$process" >>/tmp/escaped
  done
done
echo $seen >/tmp/seen`;

test(
  "an exec is never in the container's pid namespace and the host's mount namespace (CVE-2016-9962)",
  async () => {
    const at = (name: string) => join(bundles.base, name);
    const marker = at("of-the-host");
    writeFileSync(marker, "");
    const folder = bundles.bundle("watched", ["sh", "-c", watcher(marker)], trace);
    const words = bundles.words("run", "--detach", "--bundle", folder, "watched");
    expect(Bun.spawnSync(words, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
    try {
      await until(() => existsSync(at("up")));
      for (let n = 0; n < 20; n++) expect(bundles.tsrunc("exec", "watched", "true").status).toBe(0);
      writeFileSync(at("stop"), "");
      await until(() => existsSync(at("seen")) && readFileSync(at("seen"), "utf8") !== "");
      // It did look at them.
      expect(Number(readFileSync(at("seen"), "utf8"))).toBeGreaterThan(0);
      expect(existsSync(at("escaped"))).toBe(false);
    } finally {
      bundles.tsrunc("delete", "--force", "watched");
      for (const name of ["up", "stop", "seen", "escaped"]) rmSync(at(name), { force: true });
    }
  },
  MINUTE,
);
