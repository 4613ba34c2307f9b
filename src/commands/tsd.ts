/**
 * The command line's entry. What is asked most often by scripts, the version, is answered here; for everything else
 * the parser and the verbs are loaded: a whole `ps` has less time than most libraries take to load.
 */
import { VERSION } from "../engine/version.ts";

/** Called as `docker`, it answers what looks for docker's version. */
export const versionLine = (program: string): string =>
  `${program === "docker" ? "Docker" : "tsd"} version ${VERSION}\n`;

export async function main(args: string[]): Promise<void> {
  const program = process.argv0.slice(process.argv0.lastIndexOf("/") + 1) === "docker" ? "docker" : "tsd";
  if (args.length === 1 && (args[0] === "--version" || args[0] === "-v")) {
    console.log(versionLine(program).trimEnd());
    process.exit(0);
  }
  const { run } = await import("./support/dispatch.ts");
  process.exit(await run(program, args));
}
