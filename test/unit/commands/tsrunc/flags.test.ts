import { expect, test } from "bun:test";
import { parseFlags } from "../../../../src/commands/tsrunc/flags.ts";
import { signalNumber } from "../../../../src/commands/tsrunc/signals.ts";

const TABLE = {
  bundle: { kind: "value", short: "b" },
  force: { kind: "switch", short: "f" },
  env: { kind: "list", short: "e" },
} as const;

test("flags come with one dash or two, with a space or an equals sign, and end at the first word", () => {
  const { flags, rest } = parseFlags(TABLE, [
    "-bundle",
    "/a",
    "--env=A=1",
    "-e",
    "B=2",
    "-f",
    "id",
    "--force",
  ]);
  expect(flags.value("bundle")).toBe("/a");
  expect(flags.list("env")).toEqual(["A=1", "B=2"]);
  expect(flags.on("force")).toBe(true);
  expect(rest).toEqual(["id", "--force"]);
});

test("between the words, too, where they are nobody else's: those that are known, and until two dashes", () => {
  const args = ["id", "--force", "-9", "-b", "/a", "word", "--", "--env", "A=1"];
  const { flags, rest } = parseFlags(TABLE, args, { first: false });
  expect([flags.on("force"), flags.value("bundle"), flags.list("env")]).toEqual([true, "/a", []]);
  expect(rest).toEqual(["id", "-9", "word", "--", "--env", "A=1"]);
});

test("an unknown flag, and one without its value, are errors in Go's words", () => {
  expect(() => parseFlags(TABLE, ["--nosuch"])).toThrow("flag provided but not defined: -nosuch");
  expect(() => parseFlags(TABLE, ["--bundle"])).toThrow("flag needs an argument: -bundle");
});

test("signals are known by number and by name", () => {
  expect(["9", "KILL", "SIGKILL", "sigterm", "RTMIN+3"].map(signalNumber)).toEqual([9, 9, 9, 15, 37]);
  expect(() => signalNumber("NOSUCH")).toThrow("unknown signal");
});
