/** Runs iptables-save and iptables-restore, of whichever variant the host has chosen: one for all changes of a moment. */
import { EngineError } from "../../../errors.ts";
import type { Table, Version } from "./rules.ts";

const program = (version: Version, what: "save" | "restore"): string =>
  `${version === 4 ? "iptables" : "ip6tables"}-${what}`;

async function run(words: readonly string[], input?: string): Promise<string> {
  let child: Bun.Subprocess<Uint8Array | "ignore", "pipe", "pipe">;
  try {
    child = Bun.spawn([...words], {
      stdio: [input === undefined ? "ignore" : new TextEncoder().encode(input), "pipe", "pipe"],
      // A daemon may be started without the folders of root's programs.
      env: {
        ...process.env,
        PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`,
        LC_ALL: "C",
      },
    });
  } catch (error) {
    throw new EngineError("internal", `run ${words[0]}: ${(error as Error).message}`, { cause: error });
  }
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0) throw new EngineError("internal", `${words[0]} failed: ${stderr.trim()}`);
  return stdout;
}

/** One table as it is: its chains with their policies (`-` for those of users), and its rules as `-A CHAIN …`. */
export interface Saved {
  chains: Map<string, string>;
  rules: { chain: string; text: string }[];
}

export async function save(version: Version, table: Table): Promise<Saved> {
  return parseSaved(await run([program(version, "save"), "-t", table]));
}

export function parseSaved(text: string): Saved {
  const saved: Saved = { chains: new Map(), rules: [] };
  for (const line of text.split("\n")) {
    const chain = /^:(\S+) (\S+)/.exec(line);
    if (chain) saved.chains.set(chain[1]!, chain[2]!);
    const rule = /^-A (\S+)/.exec(line);
    if (rule) saved.rules.push({ chain: rule[1]!, text: line });
  }
  return saved;
}

/** Lines of each table, all or none of a table's. Waits for whoever has iptables' lock. */
export async function restore(version: Version, lines: ReadonlyMap<Table, readonly string[]>): Promise<void> {
  const text = [...lines]
    .filter(([, list]) => list.length > 0)
    .map(([table, list]) => `*${table}\n${list.join("\n")}\nCOMMIT\n`)
    .join("");
  if (text !== "") await run([program(version, "restore"), "--noflush", "-w"], text);
}
