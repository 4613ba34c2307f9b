import { describe, expect, test } from "bun:test";
import { DEFAULT_DETACH_KEYS, DetachScanner, parseDetachKeys } from "../../../src/engine/detach-keys.ts";

const bytes = (...codes: number[]) => Uint8Array.from(codes);

describe("detach keys", () => {
  test("are ctrl-p,ctrl-q unless named", () => {
    expect(parseDetachKeys("")).toEqual(bytes(16, 17));
    expect(parseDetachKeys("ctrl-a,x")).toEqual(bytes(1, 120));
    expect(parseDetachKeys("ctrl-@,ctrl-[")).toEqual(bytes(0, 27));
    expect(parseDetachKeys("DEL")).toEqual(bytes(127));
    expect(parseDetachKeys("A")).toEqual(bytes(65));
    for (const key of ["ctrl-$", "ctrl-A", "bad", "é", "del", "", "ctrl-é"])
      expect(() => parseDetachKeys(`a,${key}`)).toThrow(new Error(`Unknown character: '${key}'`));
  });
  test("are found over the borders of chunks, and nothing of them passes", () => {
    const scanner = new DetachScanner(DEFAULT_DETACH_KEYS);
    expect(scanner.scan(bytes(65, 16))).toEqual({ pass: bytes(65), detached: false });
    expect(scanner.scan(bytes(17))).toEqual({ pass: bytes(), detached: true });
  });
  test("half of them passes when something else follows", () => {
    const scanner = new DetachScanner(DEFAULT_DETACH_KEYS);
    expect(scanner.scan(bytes(16, 65))).toEqual({ pass: bytes(16, 65), detached: false });
    expect(scanner.scan(bytes(16, 16, 17))).toEqual({ pass: bytes(16), detached: true });
  });
});
