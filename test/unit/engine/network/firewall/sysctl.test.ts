import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sysctls } from "../../../../../src/engine/network/firewall/sysctl.ts";

const folder = mkdtempSync(join(tmpdir(), "sysctls-"));
const file = join(folder, "sysctls.json");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("what was changed is known from the file's lines, what was put back is not, and a torn end is nothing", () => {
  const entry = (note: string[]) => ({ was: "0", is: "1", note });
  const lines = [
    { "net/a": entry(["eth0"]), "net/b": entry([]) },
    { "net/c": entry(["eth1"]) },
    { "net/b": null },
  ].map((line) => JSON.stringify(line));
  writeFileSync(file, `${lines.join("\n")}\n{"net/d":{"was":"0"`);
  const sysctls = new Sysctls(file);
  expect(["net/a", "net/b", "net/c", "net/d"].map((path) => sysctls.changed(path))).toEqual([
    true,
    false,
    true,
    false,
  ]);
  expect(sysctls.note("net/c")).toEqual(["eth1"]);
  // Neither is a setting of this kernel: forgotten one by one, and the file with the last.
  sysctls.restore("net/a");
  expect(new Sysctls(file).changed("net/a")).toBe(false);
  expect(new Sysctls(file).changed("net/c")).toBe(true);
  expect(readFileSync(file, "utf8")).toEndWith("\n");
  for (let n = 0; n < 3; n++) new Sysctls(file).restore("net/unknown");
  expect(new Sysctls(file).changed("net/c")).toBe(true);
  sysctls.restoreAll();
  expect(existsSync(file)).toBe(false);
});
