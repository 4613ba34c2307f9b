import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { subCgroup } from "../../../../src/commands/tsrunc/sub-cgroup.ts";
import type { Cgroup } from "../../../../src/engine/runtime/cgroup-layout.ts";

let root: string;
let cgroup: Cgroup;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "tsd-sub-cgroup-"));
  cgroup = [["cpu", "cpuacct"], ["pids"], ["name=systemd"]].map((controllers) => {
    const mountpoint = join(root, controllers[0]!);
    const path = join(mountpoint, "one");
    mkdirSync(join(path, "sub/deep"), { recursive: true });
    writeFileSync(join(path, "sub/deep/cgroup.procs"), "");
    return { version: 1, controllers, mountpoint, path };
  });
});
afterAll(() => rmSync(root, { recursive: true }));

const paths = (...given: string[]): string[] =>
  subCgroup(cgroup, given).map(({ mountpoint, path }) => path.slice(mountpoint.length));

test("one path is for all hierarchies, one of controllers for theirs", () => {
  expect(paths("/")).toEqual(["/one", "/one", "/one"]);
  expect(paths("sub//deep/")).toEqual(["/one/sub/deep", "/one/sub/deep", "/one/sub/deep"]);
  expect(paths("cpu,cpuacct:sub/deep", "systemd:/sub/./deep")).toEqual([
    "/one/sub/deep",
    "/one",
    "/one/sub/deep",
  ]);
});

test("none leads out of the container's, nor to what is not there", () => {
  for (const path of ["..", "../one", "/sub/../../two", "pids:.."])
    expect(() => paths(path)).toThrow("bad sub cgroup path: ");
  expect(() => paths("pids:nothing")).toThrow(
    `error adding pid to cgroups: open ${root}/pids/one/nothing/cgroup.procs: no such file or directory`,
  );
});

test("a wrong argument is told in runc's words", () => {
  expect(() => paths("whaaat:/")).toThrow("unknown controller whaaat");
  expect(() => paths("cpu:/", "sub")).toThrow(
    "invalid --cgroup argument: sub (missing <controller>: prefix)",
  );
  expect(() => paths(":/")).toThrow("invalid --cgroup argument: :/ (empty <controller> prefix)");
  expect(() => paths("cpu:/", "cpu:/")).toThrow("controller cpu specified multiple times");
});
