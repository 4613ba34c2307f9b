import { expect, test } from "bun:test";
import { PERSONALITIES, personalityOf } from "../../../src/commands/personality.ts";

const of = (argv0: string, word?: string) => personalityOf(argv0, word);

test("the name that it is called by decides, whatever folder it is in", () => {
  expect(of("/usr/local/bin/tsrunc", "run")).toEqual({ name: "tsrunc", longForm: false });
  expect(of("runc")).toEqual({ name: "tsrunc", longForm: false });
  expect(of("dockerd", "ps")).toEqual({ name: "daemon", longForm: false });
  expect(of("docker", "ps")).toEqual({ name: "tsd", longForm: false });
});

test("called as tsd, the first word may be the personality", () => {
  expect(of("tsd", "tsrunc")).toEqual({ name: "tsrunc", longForm: true });
  expect(of("tsd", "daemon")).toEqual({ name: "daemon", longForm: true });
  expect(of("tsd", "ps")).toEqual({ name: "tsd", longForm: false });
  expect(of("tsd")).toEqual({ name: "tsd", longForm: false });
  for (const word of ["unknown", "tsd", "constructor", "toString"]) {
    expect(of("tsd", word)).toEqual({ name: "tsd", longForm: false });
  }
});

test("a file that was renamed is tsd; a name of our kind that is none of ours is an error", () => {
  expect(of("./tsd-linux-amd64", "ps")).toEqual({ name: "tsd", longForm: false });
  expect(of("/opt/ts-sihm")).toEqual({ name: "unknown", longForm: false });
  expect(PERSONALITIES.unknown.ready).toBe(false);
});
