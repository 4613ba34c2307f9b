import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Orphans } from "../../../../src/engine/shim/orphans.ts";
import { SessionTable } from "../../../../src/engine/shim/session-table.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsd-shim-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const OPTIONS = { stdin: false, stdout: true, stderr: true };
const hex = (digit: string, length: number): string => digit.repeat(length);
const [ONE, TWO] = [hex("1", 64), hex("2", 64)];
const [A, B, C] = [hex("a", 32), hex("b", 32), hex("c", 32)];

const table = (): SessionTable => new SessionTable(join(folder, "sessions"));

test("a successor finds the clients of each process, and the daemon the one that it comes back for", () => {
  const before = table();
  before.take(ONE, A, OPTIONS);
  before.take(TWO, B, OPTIONS);
  before.take(ONE, C, OPTIONS);
  const orphans = new Orphans(table());
  const found = orphans.restore();
  expect([...found].map(([id, sessions]) => [id, sessions.map(({ key }) => key)])).toEqual([
    [ONE, [A, C]],
    [TWO, [B]],
  ]);
  expect(orphans.take(B)).toBe(found.get(TWO)![0]!);
  expect(orphans.take(B)).toBeUndefined();
});

test("those that a daemon does not come back for are gone at once, and hold up no process", () => {
  const before = table();
  before.take(ONE, A, OPTIONS);
  before.take(ONE, B, OPTIONS);
  const orphans = new Orphans(table());
  const [a, b] = orphans.restore().get(ONE)!;
  expect([a!.full, b!.full]).toEqual([true, true]);
  orphans.forget([B]);
  expect([a!.full, a!.closed, b!.full]).toEqual([false, true, true]);
  expect([...orphans.keys]).toEqual([B]);
  orphans.forget();
  expect(b!.closed).toBe(true);
  expect(table().left()).toEqual([]);
});

test("a client that asked twice, since it was not answered, is one", () => {
  const before = table();
  before.take(ONE, A, OPTIONS);
  before.take(ONE, A, OPTIONS);
  const successor = table();
  const orphans = new Orphans(successor);
  expect(orphans.restore().get(ONE)!.length).toBe(1);
  expect(successor.left().length).toBe(1);
  orphans.take(A)!.gone();
  expect(successor.left()).toEqual([]);
});
