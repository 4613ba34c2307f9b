/** From what iptables-save says, and what is wanted, to the lines of iptables-restore. */
import type { Saved } from "./programs.ts";
import { commentOf, FORWARD, OWN_CHAINS, type Rule, type Table, USER } from "./rules.ts";

export const TABLES: readonly Table[] = ["raw", "nat", "filter"];

const lineOf = (tag: string, rule: Rule): string =>
  `-m comment --comment "${commentOf(tag, rule)}" ${rule.words.join(" ")}`;

/** Rules that come and go while others stay. */
export function changeLines(
  tag: string,
  gone: readonly Rule[],
  fresh: readonly Rule[],
): Map<Table, string[]> {
  const lines = new Map<Table, string[]>(TABLES.map((table) => [table, []]));
  for (const rule of gone) lines.get(rule.table)!.push(`-D ${rule.chain} ${lineOf(tag, rule)}`);
  for (const rule of fresh) {
    lines.get(rule.table)!.push(`-${rule.first ? "I" : "A"} ${rule.chain} ${lineOf(tag, rule)}`);
  }
  return lines;
}

const isOurs = (tag: string, text: string): boolean =>
  text.includes(`--comment "${tag} `) || text.includes(`--comment ${tag} `);

/** dockerd has `-o BRIDGE -j DOCKER` for each of its own, in one chain or another. */
export const foreignBridges = (tag: string, filter: Saved): string[] =>
  filter.rules.flatMap(({ text }) => {
    const link = / -o (\S+) -j DOCKER$/.exec(text)?.[1];
    return link !== undefined && !isOurs(tag, text) ? [link] : [];
  });

/** The deletion of a rule as iptables-save has it. */
const deletion = (text: string): string => text.replace(/^-A/, "-D");

/**
 * What makes a table exactly as wanted, in one transaction; nothing when it is. Other people's rules stay, and where
 * they are: `DOCKER-USER` is asked first, whoever made the rule that asks it.
 */
export function reconcileLines(tag: string, table: Table, saved: Saved, wanted: readonly Rule[]): string[] {
  const ours = saved.rules.filter(({ text }) => isOurs(tag, text));
  const mine = wanted.filter((rule) => rule.table === table);
  if (
    asWanted(
      tag,
      table,
      saved,
      ours.map(({ text }) => text),
      mine,
    )
  )
    return [];
  const lines = ours.map(({ text }) => deletion(text));
  if (mine.length > 0) {
    for (const chain of OWN_CHAINS[table]) if (!saved.chains.has(chain)) lines.push(`-N ${chain}`);
  }
  if (table === "filter" && mine.length > 0) lines.push(...forwardLines(tag, saved));
  const firsts = mine.filter(({ first }) => first).reverse();
  for (const rule of firsts) lines.push(`-I ${rule.chain} ${lineOf(tag, rule)}`);
  for (const rule of mine) if (!rule.first) lines.push(`-A ${rule.chain} ${lineOf(tag, rule)}`);
  if (mine.length === 0) lines.push(...removalLines(tag, table, saved));
  return lines;
}

const jumpTo = (chain: string): Rule => ({ table: "filter", chain: "FORWARD", words: ["-j", chain] });

/** Both jumps of `FORWARD`: to the users' chain, then to ours; each unless it is there already. */
function forwardLines(tag: string, saved: Saved): string[] {
  const forward = saved.rules.filter(({ chain, text }) => chain === "FORWARD" && !isOurs(tag, text));
  const at = (chain: string) => forward.findIndex(({ text }) => text === `-A FORWARD -j ${chain}`);
  const lines: string[] = [];
  let user = at(USER);
  if (user < 0) {
    lines.push(`-I FORWARD 1 ${lineOf(tag, jumpTo(USER))}`);
    user = 0;
  }
  if (at(FORWARD) < 0) lines.push(`-I FORWARD ${user + 2} ${lineOf(tag, jumpTo(FORWARD))}`);
  return lines;
}

function asWanted(
  tag: string,
  table: Table,
  saved: Saved,
  ours: readonly string[],
  mine: readonly Rule[],
): boolean {
  const extra = table === "filter" && mine.length > 0 ? forwardJumps(tag, saved) : [];
  const comments = [...mine, ...extra].map((rule) => commentOf(tag, rule));
  return (
    ours.length === comments.length &&
    comments.every((comment) => ours.some((text) => text.includes(comment)))
  );
}

/** Which of the jumps in FORWARD are ours to have. */
const forwardJumps = (tag: string, saved: Saved): Rule[] =>
  [USER, FORWARD]
    .filter(
      (chain) => !saved.rules.some(({ text }) => text === `-A FORWARD -j ${chain}` && !isOurs(tag, text)),
    )
    .map(jumpTo);

/** Chains that are empty without us, and that nobody else goes to. */
function removalLines(tag: string, table: Table, saved: Saved): string[] {
  const others = saved.rules.filter(({ text }) => !isOurs(tag, text));
  return OWN_CHAINS[table]
    .filter((chain) => saved.chains.has(chain))
    .filter((own) => !others.some(({ chain, text }) => chain === own || text.endsWith(`-j ${own}`)))
    .map((chain) => `-X ${chain}`);
}
