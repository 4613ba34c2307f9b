import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskUsage, placedUsage } from "../../../../src/engine/image/usage.ts";

/** The usage of a folder with `entries`; a name that ends in a slash is a folder. */
async function usageOf(entries: Record<string, string>): Promise<{ all: number; placed: number }> {
  const root = mkdtempSync(join(tmpdir(), "usage-"));
  try {
    for (const [name, content] of Object.entries(entries)) {
      if (name.endsWith("/")) mkdirSync(join(root, name), { recursive: true });
      else writeFileSync(join(root, name), content);
    }
    return { all: await diskUsage(root), placed: await placedUsage(root) };
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("a layer that the container has not written to counts its root alone", async () => {
  const bare = await usageOf({});
  const used = await usageOf({
    "etc/": "",
    "etc/hosts": "",
    "etc/hostname": "",
    "dev/pts/": "",
    "proc/": "",
  });
  expect(used.all).toBeGreaterThan(bare.all);
  expect(used.all - used.placed).toBe(bare.all);
});

test("a folder with a file of the container's own counts", async () => {
  const bare = await usageOf({});
  const { all, placed } = await usageOf({ "etc/": "", "etc/hosts": "", "etc/motd": "hello" });
  expect(all - placed).toBeGreaterThan(bare.all);
});

test("a link in the place of a folder is not followed", async () => {
  const root = mkdtempSync(join(tmpdir(), "usage-"));
  symlinkSync("/etc", join(root, "etc"));
  expect(await placedUsage(root)).toBe(0);
  rmSync(root, { recursive: true });
});
