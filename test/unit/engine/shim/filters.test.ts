import { expect, test } from "bun:test";
import { compileFilter } from "../../../../src/engine/runtime/seccomp.ts";
import type { Seccomp, Spec } from "../../../../src/engine/runtime/spec.ts";
import { keptFilters } from "../../../../src/engine/shim/filters.ts";

const withProfile = (errno: number): Spec => ({
  ociVersion: "1.2.0",
  linux: {
    seccomp: {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["ptrace"], action: "SCMP_ACT_ERRNO", errnoRet: errno }],
    },
  },
});

test("the same profile is compiled once, another one is never taken for it", () => {
  let compiled = 0;
  const filterOf = keptFilters((profile: Seccomp) => {
    compiled++;
    return compileFilter(profile);
  });
  const first = filterOf(withProfile(1));
  expect(filterOf(withProfile(1))).toBe(first!);
  expect(compiled).toBe(1);
  expect(filterOf(withProfile(2))).not.toEqual(first);
  expect(compiled).toBe(2);
});

test("of many profiles only some are kept, and a specification without one has no filter", () => {
  let compiled = 0;
  const filterOf = keptFilters(() => new Uint8Array([++compiled]));
  for (let errno = 1; errno <= 100; errno++) filterOf(withProfile(errno));
  filterOf(withProfile(100));
  expect(compiled).toBe(100);
  filterOf(withProfile(1));
  expect(compiled).toBe(101);
  expect(filterOf({ ociVersion: "1.2.0" })).toBeUndefined();
});
