/**
 * Docker's own client gets the same answers from us as from Debian's dockerd: the scripts in compare/commands.txt
 * and networks.txt, line by line. What is not the same is listed, with its reason, in compare/differences.json.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import differences from "./compare/differences.json" with { type: "json" };
import { comparePeers, type Pair } from "./compare/run.ts";
import type { Answer } from "./compare/script.ts";

/** `source` says where 29's answer is to be read. */
type Difference = { reason: string } & (
  | { kind: "as 29"; source: string; expected: Answer }
  | { kind: "different" }
);
const listed = differences as Record<string, Difference>;

const same = ({ ours, theirs }: Pair) => Bun.deepEquals(ours, theirs);

describe.each(["commands", "networks"])("%s", (script) => {
  let pairs: Pair[];
  beforeAll(async () => {
    process.env.TSD ??= join(import.meta.dir, "../../dist/tsd");
    pairs = await comparePeers(script);
  }, 600_000);

  test("every answer is Debian's, or Docker 29's, or a listed difference", () => {
    const surprises = pairs.filter((pair) => {
      if (same(pair)) return false;
      const known = listed[pair.command];
      return !known || (known.kind === "as 29" && !Bun.deepEquals(pair.ours, known.expected));
    });
    expect(surprises).toEqual([]);
  });

  test("at least 85 of 100 answers are the same", () => {
    expect(pairs.length).toBeGreaterThanOrEqual(100);
    const good = pairs.filter((pair) => same(pair) || listed[pair.command]?.kind === "as 29");
    expect(good.length / pairs.length).toBeGreaterThanOrEqual(0.85);
  });
});
