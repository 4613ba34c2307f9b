import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LaunchRecord, Records } from "../../../../src/engine/shim/records.ts";

const root = mkdtempSync(join(tmpdir(), "records-"));
afterAll(() => rmSync(root, { recursive: true }));

const record = (more: Partial<LaunchRecord> = {}): LaunchRecord => ({
  id: "a".repeat(64),
  container: "a".repeat(64),
  io: { kind: "pipes", stdin: false, stdinOnce: false },
  log: { driver: "none" },
  cgroups: [],
  pid: 0,
  startedAt: "1",
  paused: false,
  ...more,
});

test("a record is read as it was written last, whether it is longer or shorter than before, or than a page", () => {
  const records = new Records(root);
  const path = join(records.folder, `${"a".repeat(24)}.json`);
  const long = ["é".repeat(3000)];
  for (const each of [
    record(),
    record({ pid: 12345 }),
    record(),
    record({ cgroups: long }),
    record({ pid: 7 }),
  ]) {
    records.write(each);
    expect(records.readAll()).toEqual([each]);
  }
  const { ino } = statSync(path);
  records.write(record({ pid: 8 }));
  expect(statSync(path).ino).toBe(ino);
  expect(new Records(root).readAll()).toEqual([record({ pid: 8 })]);
});

test("nothing of a removed one is left, and all of the others", () => {
  const records = new Records(root);
  const other = record({ id: "b".repeat(64) });
  records.write(record());
  records.write(other);
  for (const path of [records.socket, records.exit]) writeFileSync(path.call(records, record().id), "");
  writeFileSync(records.carry(record().id, "stderr"), "");
  records.writeSpec(record().id, { ociVersion: "1.0.2" });
  records.remove(record().id);
  expect(readdirSync(records.folder)).toEqual([`${"b".repeat(24)}.json`]);
  records.write(record({ pid: 9 }));
  expect(records.readAll()).toContainEqual(record({ pid: 9 }));
});
