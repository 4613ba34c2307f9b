import { describe, expect, test } from "bun:test";
import { parseFlags } from "../../../../src/commands/tsrunc/flags.ts";
import {
  changeOf,
  RESOURCE_FLAGS,
  resourcesOfDocument,
  resourcesOfFlags,
} from "../../../../src/commands/tsrunc/resources.ts";

const ofFlags = (...words: string[]) => resourcesOfFlags(parseFlags(RESOURCE_FLAGS, words).flags);

describe("what an update is asked for", () => {
  test("by flags is only what was given", () => {
    expect(ofFlags()).toEqual({});
    expect(
      ofFlags("--memory", "64m", "--memory-swap=-1", "--cpu-share", "512", "--cpuset-cpus", "0-1"),
    ).toEqual({
      memory: { limit: 64 << 20, swap: -1 },
      cpu: { shares: 512, cpus: "0-1" },
    });
    expect(
      ofFlags("--pids-limit", "0", "--blkio-weight", "500", "--cpu-quota", "-1", "--cpu-idle", "0"),
    ).toEqual({
      pids: { limit: 0 },
      blockIO: { weight: 500 },
      cpu: { quota: -1, idle: 0 },
    });
  });

  test.each([
    [["--memory", "64q"], "invalid value for memory: invalid suffix: 'q'"],
    [["--cpu-share", "-1"], 'invalid value for cpu-share: strconv.ParseUint: parsing "-1": invalid syntax'],
    [["--cpu-quota", "x"], 'invalid value for cpu-quota: strconv.ParseInt: parsing "x": invalid syntax'],
    [["--l3-cache-schema", "L3:0=f"], "Intel RDT/CAT: l3 cache schema is not enabled"],
  ])("%p is refused in runc's words", (words, message) => {
    expect(() => ofFlags(...words)).toThrow(message);
  });

  test("by a document is what can be updated of it", () => {
    const text = JSON.stringify({
      devices: [{ allow: false }],
      memory: { limit: 1 << 20, swap: null },
      cpu: {},
      hugepageLimits: [{ pageSize: "2MB", limit: 1 }],
    });
    expect(resourcesOfDocument(text)).toEqual({ memory: { limit: 1 << 20 } });
    expect(() => resourcesOfDocument('{"memory":{"limit":"1m"}}')).toThrow(
      "json: cannot unmarshal string into Go struct field LinuxMemory.memory.limit of type int64",
    );
    expect(() => resourcesOfDocument("{")).toThrow("unexpected EOF");
  });
});

describe("a change", () => {
  const has = {
    memory: { limit: 100, swap: 300, reservation: 5 },
    cpu: { quota: 50, period: 1000, shares: 7 },
  };

  test("of one limit writes those that are counted with it, and no other", () => {
    expect(changeOf(has, { memory: { limit: 200 } })).toEqual({
      next: { memory: { limit: 200, swap: 300, reservation: 5 }, cpu: has.cpu },
      write: { memory: { limit: 200, swap: 300 } },
    });
    expect(changeOf(has, { memory: { reservation: 6 } }).write).toEqual({ memory: { reservation: 6 } });
    expect(changeOf(has, { cpu: { quota: 70 } }).write).toEqual({ cpu: { quota: 70, period: 1000 } });
    expect(changeOf(has, { cpu: { period: 2000 } }).next.cpu).toEqual({ quota: 50, period: 2000, shares: 7 });
    expect(changeOf(has, { pids: { limit: 9 } })).toEqual({
      next: { ...has, pids: { limit: 9 } },
      write: { pids: { limit: 9 } },
    });
  });

  test("of what is zero or empty is none", () => {
    const asked = {
      memory: { limit: 0, swap: 0 },
      cpu: { shares: 0, quota: 0, cpus: "" },
      blockIO: { weight: 0 },
    };
    expect(changeOf(has, asked).next).toEqual({ ...has, blockIO: {} });
    expect(changeOf({ cpu: { idle: 1 } }, { cpu: { idle: 0 } }).next).toEqual({ cpu: { idle: 0 } });
  });

  test("to memory without a limit leaves none on swap", () => {
    expect(changeOf(has, { memory: { limit: -1 } })).toMatchObject({
      next: { memory: { limit: -1, reservation: 5 } },
      write: { memory: { limit: -1 } },
    });
    expect(changeOf(has, { memory: { limit: -1 } }).next.memory).not.toHaveProperty("swap");
  });
});
