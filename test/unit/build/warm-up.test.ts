/** What is overwritten in Bun's executable, on bytes of the same shape. */
import { describe, expect, test } from "bun:test";
import { warmUpNothing } from "../../../build/warm-up.ts";

const COUNTS = {
  amd64: { loaded: "48b82000000040000000", overwritten: "48b80000000040000000" },
  arm64: { loaded: "090480d20908c0f2", overwritten: "090080d20908c0f2" },
} as const;

describe("what the engine warms up", () => {
  for (const arch of ["amd64", "arm64"] as const) {
    const { loaded, overwritten } = COUNTS[arch];
    const file = (...parts: string[]) => Buffer.from(`4142${parts.join("43444546")}4142`, "hex");

    test(`is nothing, for ${arch}`, () => {
      const base = file(loaded);
      warmUpNothing(base, arch);
      expect(base.toString("hex")).toBe(`4142${overwritten}4142`);
    });

    test(`is not guessed, for ${arch}`, () => {
      expect(() => warmUpNothing(file(overwritten), arch)).toThrow("0 places");
      expect(() => warmUpNothing(file(loaded, loaded), arch)).toThrow("2 places");
    });
  }
});
