/** `tsd --version`: what scripts ask most often is answered without the parser and the verbs. */
import { VERSION } from "../engine/version.ts";

/** Called as `docker`, it answers what looks for docker's version. */
export const versionLine = (program: string): string =>
  `${program === "docker" ? "Docker" : "tsd"} version ${VERSION}\n`;

/** The name that the command line was called by: one of the two that it answers to. */
export const calledAs = (): "docker" | "tsd" =>
  process.argv0.slice(process.argv0.lastIndexOf("/") + 1) === "docker" ? "docker" : "tsd";

export function main(): void {
  console.log(versionLine(calledAs()).trimEnd());
  process.exit(0);
}
