/** Help screens, laid out as Docker's users know them. */
import type { Command } from "./command.ts";
import { type Flag, shownDefault } from "./flags.ts";

const uses = (command: Command): readonly string[] =>
  typeof command.use === "string" ? [command.use] : command.use;

export const usageLine = (program: string, path: string, command: Command): string =>
  uses(command)
    .map((use) => `${program} ${path} ${use}`.trim())
    .join("\n\t");

/** Breaks at spaces so that no line is longer than the width; lines that are already broken stay so. */
function wrap(text: string, indent: number, width: number): string {
  const room = width - indent;
  if (room < 24) return text;
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let rest = paragraph;
    // A few more columns are allowed than to break off a short last word.
    while (rest.length > room + 5) {
      let cut = rest.lastIndexOf(" ", room);
      if (cut <= 0) cut = rest.indexOf(" ", room);
      if (cut <= 0) break;
      lines.push(rest.slice(0, cut));
      rest = rest.slice(cut + 1);
    }
    lines.push(rest);
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}

export function flagUsages(flags: readonly Flag[], width: number): string {
  const shown = flags.filter((flag) => !flag.hidden).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const left = shown.map((flag) => {
    const type = flag.type === "bool" ? "" : ` ${flag.type}`;
    return `${flag.short ? `  -${flag.short}, ` : "      "}--${flag.name}${type}`;
  });
  const column = Math.max(...left.map((text) => text.length)) + 3;
  return shown
    .map((flag, at) => {
      const value = shownDefault(flag);
      const usage = value === undefined ? flag.usage : `${flag.usage} (default ${value})`;
      return `${(left[at] as string).padEnd(column)}${wrap(usage, column, width)}\n`;
    })
    .join("");
}

export function commandHelp(
  program: string,
  path: string,
  command: Command,
  aliases: readonly string[],
  width: number,
): string {
  let text = `Usage:  ${usageLine(program, path, command)}\n\n${command.long ?? command.short}\n`;
  if (aliases.length > 1)
    text += `\nAliases:\n  ${aliases.map((alias) => `${program} ${alias}`).join(", ")}\n`;
  if (command.flags.some((flag) => !flag.hidden)) text += `\nOptions:\n${flagUsages(command.flags, width)}`;
  return text;
}

const table = (entries: readonly (readonly [string, string])[], width: number): string =>
  entries.map(([name, short]) => `  ${name.padEnd(width)} ${short}\n`).join("");

export function groupHelp(
  program: string,
  name: string,
  short: string,
  entries: readonly (readonly [string, string])[],
): string {
  return (
    `Usage:  ${program} ${name} COMMAND\n\n${short}\n\nCommands:\n${table(entries, 11)}\n` +
    `Run '${program} ${name} COMMAND --help' for more information on a command.\n`
  );
}

export interface RootHelp {
  readonly common: readonly (readonly [string, string])[];
  readonly groups: readonly (readonly [string, string])[];
  readonly others: readonly (readonly [string, string])[];
  readonly programs: readonly (readonly [string, string])[];
}

export function rootHelp(program: string, sections: RootHelp, flags: readonly Flag[], width: number): string {
  return (
    `Usage:  ${program} [OPTIONS] COMMAND\n\nThe whole container stack in one file\n\n` +
    `Common Commands:\n${table(sections.common, 11)}\nManagement Commands:\n${table(sections.groups, 11)}\n` +
    `Commands:\n${table(sections.others, 11)}\nPrograms:\n${table(sections.programs, 11)}\nGlobal Options:\n${flagUsages(flags, width)}\n` +
    `Run '${program} COMMAND --help' for more information on a command.\n`
  );
}
