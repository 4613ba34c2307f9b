import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entryOf, filterOf, readEntry } from "../../../../src/commands/tsrunc/filter-cache.ts";
import { compileFilter } from "../../../../src/engine/runtime/seccomp.ts";
import type { Seccomp } from "../../../../src/engine/runtime/spec.ts";

const profile: Seccomp = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["ptrace"], action: "SCMP_ACT_ERRNO" }],
};
const compiled = compileFilter(profile);
const bytes = (text: string) => new TextEncoder().encode(text);
let base: string;

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "tsd-filters-"));
});
afterAll(() => rmSync(base, { recursive: true }));

/** A root whose one entry is `filter`, whatever the profile says. */
async function rootWith(name: string, filter: Uint8Array): Promise<{ root: string; entry: string }> {
  const root = join(base, name);
  expect(await filterOf(profile, root)).toEqual(compiled);
  const [file] = readdirSync(join(root, "seccomp@"));
  const entry = join(root, "seccomp@", file!);
  const whole = readFileSync(entry);
  const key = whole.toString("utf8", 16, 16 + Number(whole.readBigUInt64LE(8)));
  writeFileSync(entry, entryOf(key, filter));
  return { root, entry };
}

describe("a filter that was kept", () => {
  test("is used for the same profile", async () => {
    const { root } = await rootWith("used", bytes("kept"));
    expect(await filterOf(profile, root)).toEqual(bytes("kept"));
  });

  test("is not used when others could have written it, or when it is a link", async () => {
    const { root, entry } = await rootWith("open", bytes("planted"));
    chmodSync(entry, 0o622);
    expect(await filterOf(profile, root)).toEqual(compiled);
    const other = join(base, "other");
    writeFileSync(other, "");
    rmSync(entry);
    symlinkSync(other, entry);
    expect(await filterOf(profile, root)).toEqual(compiled);
    expect(readFileSync(other, "utf8")).toBe("");
  });

  test("is compiled anew when the file is cut short", async () => {
    const { root, entry } = await rootWith("torn", bytes("kept"));
    writeFileSync(entry, readFileSync(entry).subarray(0, -1));
    expect(await filterOf(profile, root)).toEqual(compiled);
  });

  test("is no reason to fail when it cannot be kept", async () => {
    const root = join(base, "file");
    writeFileSync(root, "");
    expect(await filterOf(profile, root)).toEqual(compiled);
  });
});

test("an entry is only for the profile that is in it", () => {
  const entry = entryOf("one", bytes("filter"));
  expect(readEntry(entry, "one")).toEqual(bytes("filter"));
  expect(readEntry(entry, "two")).toBeUndefined();
  expect(readEntry(entry, "onef")).toBeUndefined();
  expect(readEntry(undefined, "one")).toBeUndefined();
});

test("without a profile there is no filter, and no folder", async () => {
  const root = join(base, "none");
  mkdirSync(root);
  expect(await filterOf(undefined, root)).toBeUndefined();
  expect(readdirSync(root)).toEqual([]);
});
