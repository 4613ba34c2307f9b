import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SandboxNames } from "../../../../src/engine/network/types.ts";
import { NetworkRecords } from "../../../../src/engine/shim/network-records.ts";

let folder: string;
let records: NetworkRecords;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "records-"));
  records = new NetworkRecords(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const sandbox = (id: string): SandboxNames => ({
  id,
  netns: "/n",
  networks: ["a"],
  links: {},
  upstreams: [],
  external: true,
});

test("what was written is there for another shim, by its kind, root's alone", () => {
  records.write("sandbox", sandbox("one"));
  records.write("sandbox", sandbox("two"));
  records.write("sandbox", { ...sandbox("one"), external: false });
  records.write("ports", { id: "one", ports: [{ protocol: "tcp", hostIp: "::", hostPort: 80 }] });
  const later = new NetworkRecords(folder);
  expect(later.readAll("sandbox").toSorted((a, b) => a.id.localeCompare(b.id))).toEqual([
    { ...sandbox("one"), external: false },
    sandbox("two"),
  ]);
  expect(later.readAll("ports")).toHaveLength(1);
  expect(later.readAll("endpoint")).toEqual([]);
  expect(statSync(records.folder).mode & 0o777).toBe(0o700);
});

test("what was removed is gone; half a file, which a kill left, is nothing", () => {
  records.write("sandbox", sandbox("one"));
  records.remove("sandbox", "one");
  records.remove("sandbox", "one");
  writeFileSync(join(records.folder, "sandbox.two.json.new"), '{"id":');
  writeFileSync(join(records.folder, "sandbox.three.json"), '{"id":');
  expect(records.readAll("sandbox")).toEqual([]);
  new NetworkRecords(folder);
  expect(readdirSync(records.folder)).toEqual(["sandbox.three.json"]);
});

test("an id that would be a path is refused", () => {
  for (const id of ["../x", "", "a/b", "a\0b", "x".repeat(200)])
    expect(() => records.write("sandbox", sandbox(id))).toThrow(RangeError);
  expect(readdirSync(records.folder)).toEqual([]);
});
