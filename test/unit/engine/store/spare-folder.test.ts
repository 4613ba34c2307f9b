import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SpareFolder } from "../../../../src/engine/store/spare-folder.ts";
import { until } from "../../../support/daemon.ts";

function rig() {
  const root = mkdtempSync(join(tmpdir(), "tsd-spare-"));
  const made: string[] = [];
  let works = true;
  const spare = new SpareFolder(join(root, "spare/one"), (path) => {
    mkdirSync(path);
    if (!works) throw new Error("the disk is full");
    writeFileSync(join(path, "file"), "x");
    made.push(path);
  });
  return {
    ...{ root, made, spare },
    fill: () => {
      works = false;
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  };
}

test("the first is made where it is to be, the next one is there already", async () => {
  using at = rig();
  const there = join(at.root, "spare/one");
  at.spare.place(join(at.root, "a"));
  expect(at.made).toEqual([join(at.root, "a")]);
  await until(() => existsSync(there), "the next one");
  at.spare.place(join(at.root, "b"));
  expect(at.made).toEqual([join(at.root, "a"), there]);
  expect(readFileSync(join(at.root, "b/file"), "utf8")).toBe("x");
  expect(existsSync(there)).toBe(false);
});

test("one that is gone, and one that cannot be made, are done without", async () => {
  using at = rig();
  const there = join(at.root, "spare/one");
  at.spare.place(join(at.root, "a"));
  await until(() => existsSync(there), "the next one");
  rmSync(there, { recursive: true });
  at.spare.place(join(at.root, "b"));
  expect(existsSync(join(at.root, "b/file"))).toBe(true);
  at.fill();
  await Bun.sleep(150);
  expect(existsSync(there)).toBe(false);
  expect(() => at.spare.place(join(at.root, "c"))).toThrow("the disk is full");
});

test("what another process left goes", () => {
  using at = rig();
  const left = join(at.root, "spare/two");
  mkdirSync(join(left, "half"), { recursive: true });
  new SpareFolder(left, mkdirSync);
  expect(existsSync(left)).toBe(false);
});
