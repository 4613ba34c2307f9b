import { describe, expect, test } from "bun:test";
import {
  bool,
  bytes,
  duration,
  filter,
  filterQuery,
  int,
  list,
  parseFlags,
  string,
} from "../../../../src/commands/support/flags.ts";

const FLAGS = [
  bool("all", "a", ""),
  bool("tty", "t", ""),
  bool("interactive", "i", ""),
  string("name", undefined, ""),
  list("env", "e", ""),
  bytes("memory", "m", ""),
  int("last", "n", ""),
  duration("interval", undefined, ""),
  filter("filter", "f", ""),
];
const parse = (...words: string[]) => parseFlags(words, FLAGS, false);

describe("flags are taken as pflag takes them", () => {
  test("clusters, attached values, equals signs and the end of flags", () => {
    const { flags, args } = parse("-it", "-eA=1", "-e", "B=2", "--name=x", "-n=5", "image", "-a");
    expect(flags.bool("tty") && flags.bool("interactive")).toBe(true);
    expect(flags.list("env")).toEqual(["A=1", "B=2"]);
    expect(flags.string("name")).toBe("x");
    expect(flags.number("last")).toBe(5);
    expect(args).toEqual(["image", "-a"]);
    expect(flags.bool("all")).toBe(false);
  });

  test("flags after words count where they may be mixed", () => {
    expect(parseFlags(["x", "-a", "--", "-t"], FLAGS).args).toEqual(["x", "-t"]);
    expect(parseFlags(["x", "-a"], FLAGS).flags.bool("all")).toBe(true);
  });

  const wrong: [string[], string][] = [
    [["-z"], "unknown shorthand flag: 'z' in -z"],
    [["-az"], "unknown shorthand flag: 'z' in -z"],
    [["--x"], "unknown flag: --x"],
    [["--x=y"], "unknown flag: --x"],
    [["-e"], "flag needs an argument: 'e' in -e"],
    [["--name"], "flag needs an argument: --name"],
    [
      ["--all=foo"],
      'invalid argument "foo" for "-a, --all" flag: strconv.ParseBool: parsing "foo": invalid syntax',
    ],
    [["-m", "abc"], 'invalid argument "abc" for "-m, --memory" flag: invalid size: \'abc\''],
    [
      ["-n", "1.5"],
      'invalid argument "1.5" for "-n, --last" flag: strconv.ParseInt: parsing "1.5": invalid syntax',
    ],
    [["--interval", "5"], 'invalid argument "5" for "--interval" flag: time: missing unit in duration "5"'],
    [
      ["-f", "foo"],
      'invalid argument "foo" for "-f, --filter" flag: bad format of filter (expected name=value)',
    ],
  ];
  test.each(wrong)("%j is refused in docker's words", (words, message) => {
    expect(() => parse(...words)).toThrow(message);
  });

  test("filters gather as the API wants them", () => {
    const { flags } = parse("-f", "name=a", "-f", "name=b", "-f", "Status=running");
    expect(filterQuery(flags.list("filter"))).toBe('{"name":{"a":true,"b":true},"status":{"running":true}}');
  });
});
