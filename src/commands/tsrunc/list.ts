/** `tsrunc list`: the containers of a root. */
import type { Context, Verb } from "../tsrunc.ts";
import { described } from "./state.ts";
import { StateStore } from "./state-store.ts";

const HEADER = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];

/** Go's tabwriter with a smallest width of 12 and a padding of 3. */
function table(rows: string[][]): string {
  const widths = HEADER.map((_, column) =>
    Math.max(12, ...rows.map((row) => (row[column]?.length ?? 0) + 3)),
  );
  return rows
    .map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join(""))
    .join("\n");
}

/** Of the default root, which is not there before the first container; another that is not is a mistake. */
async function namesIn({ root, ownRoot }: Context): Promise<string[]> {
  const { readdirSync } = await import("node:fs");
  try {
    return readdirSync(root).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    if (ownRoot) throw new Error(`open ${root}: no such file or directory`, { cause: error });
    return [];
  }
}

export const verb: Verb = {
  flags: { format: { kind: "value", short: "f" }, quiet: { kind: "switch", short: "q" } },
  usage: "[--format table|json] [--quiet]",
  words: [0, 0],
  async run(_words, flags, context) {
    const store = new StateStore(context.root);
    const all = store.among(await namesIn(context)).map((state) => described(state, store.status(state)));
    if (flags.on("quiet")) for (const { id } of all) console.log(id);
    else if (flags.value("format") === "json") console.log(JSON.stringify(all.length > 0 ? all : null));
    else if (["table", undefined].includes(flags.value("format"))) {
      const rows = all.map(({ id, pid, status, bundle, created }) => [
        id,
        String(pid),
        status,
        bundle,
        created,
        "root",
      ]);
      console.log(table([HEADER, ...rows]));
    } else throw new Error("invalid format option");
    return 0;
  },
};
