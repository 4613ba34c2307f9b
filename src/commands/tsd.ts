/** The command line's entry, for all but its version (version-line.ts). */
import { run } from "./support/dispatch.ts";
import { calledAs } from "./version-line.ts";

export async function main(args: string[]): Promise<void> {
  process.exit(await run(calledAs(), args));
}
