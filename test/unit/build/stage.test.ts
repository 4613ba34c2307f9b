import { describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ARCHES } from "../../../build/freestanding.ts";
import { compileStage } from "../../../build/stage.ts";
import { STAGE } from "../../../src/ffi/stage/generated.js";

const SOURCES = join(import.meta.dir, "../../../src/ffi/stage");

describe("the stage's build", () => {
  test("gives the same bytes in another folder, for both architectures, as the program embeds", () => {
    const folder = mkdtempSync(join(tmpdir(), "stage-"));
    try {
      const from = join(folder, "a copy of the sources");
      mkdirSync(from);
      cpSync(SOURCES, from, { recursive: true });
      for (const arch of ARCHES) {
        const built = compileStage(arch, folder, from);
        expect(Buffer.from(built).toString("base64")).toBe(STAGE[arch]);
        expect(built.length).toBeLessThan(16_384);
        expect(Buffer.from(built).toString("latin1")).not.toContain(folder);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);

  test.each([
    ["it", SOURCES],
    ["its proxy", join(SOURCES, "proxy")],
  ])("%s comes from well under a thousand lines", (_, folder) => {
    const lines = readdirSync(folder)
      .filter((name) => /\.[ch]$/.test(name))
      .map((name) => readFileSync(join(folder, name), "utf8").split("\n").length);
    expect(lines.reduce((sum, count) => sum + count)).toBeLessThan(1000);
  });
});
