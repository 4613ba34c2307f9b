import { describe, expect, test } from "bun:test";
import { parseInitFlags } from "../../../src/commands/init/flags.ts";

const flagsOf = (args: string[], env = {}) => {
  const parsed = parseInitFlags(args, env);
  if (parsed.kind !== "run") throw new Error(`${parsed.kind}: ${JSON.stringify(parsed)}`);
  return parsed.flags;
};

describe("ts-init's flags", () => {
  test("end at the first word that is none, or at --", () => {
    expect(flagsOf(["sh", "-c", "true"]).command).toEqual(["sh", "-c", "true"]);
    expect(flagsOf(["-s", "--", "-odd"]).command).toEqual(["-odd"]);
  });

  test("may be joined, and take a value in the same or the next word", () => {
    const flags = flagsOf(["-sgw", "-pSIGKILL", "-e", "143", "-e1", "x"]);
    expect(flags).toMatchObject({
      subreaper: true,
      group: true,
      warnOnReap: true,
      parentDeathSignal: 9,
      remap: [143, 1],
    });
  });

  test("come from tini's environment, too", () => {
    const env = { TINI_SUBREAPER: "", TINI_KILL_PROCESS_GROUP: "1", TINI_VERBOSITY: "3" };
    expect(flagsOf(["x"], env)).toMatchObject({ subreaper: true, group: true, verbosity: 3 });
  });

  test("are refused when unknown, out of range, or without a program", () => {
    for (const args of [["-x", "a"], ["-e", "256", "a"], ["-p", "SIGNOPE", "a"], ["-p"], ["-s"], []]) {
      expect(parseInitFlags(args, {}).kind).toBe("error");
    }
  });

  test("-h, -l and --version say their piece", () => {
    expect(parseInitFlags(["-h"], {}).kind).toBe("help");
    expect(parseInitFlags(["-l"], {}).kind).toBe("licence");
    expect(parseInitFlags(["--version"], {}).kind).toBe("version");
    expect(flagsOf(["x", "--version"]).command).toEqual(["x", "--version"]);
  });
});
