/** The daemon's own log on stderr, in the text form that dockerd's has. */
import { writeSync } from "node:fs";
import type { LEVELS } from "./options.ts";

export type Level = (typeof LEVELS)[number];

const RANK: Record<Level, number> = { debug: 0, info: 1, warn: 2, error: 3, fatal: 4 };
const NAME: Record<Level, string> = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
  fatal: "fatal",
};

export class Log {
  level: Level;

  constructor(level: Level) {
    this.level = level;
  }

  debug = (message: string, fields: Fields = {}): void => this.#write("debug", message, fields);
  info = (message: string, fields: Fields = {}): void => this.#write("info", message, fields);
  warn = (message: string, fields: Fields = {}): void => this.#write("warn", message, fields);
  error = (message: string, fields: Fields = {}): void => this.#write("error", message, fields);

  #write(level: Level, message: string, fields: Fields): void {
    if (RANK[level] < RANK[this.level]) return;
    try {
      writeSync(2, `${formatLine(level, message, fields, new Date())}\n`);
    } catch {
      // A stderr that is full or closed must not stop the daemon.
    }
  }
}

export type Fields = Record<string, unknown>;

export function formatLine(level: Level, message: string, fields: Fields, time: Date): string {
  const stamp = time.toISOString().replace(/(\.\d{3})Z$/, "$1000000Z");
  const rest = Object.keys(fields)
    .sort()
    .map(
      (key) =>
        ` ${key}=${quote(String(fields[key] instanceof Error ? (fields[key] as Error).message : fields[key]))}`,
    );
  return `time="${stamp}" level=${NAME[level]} msg=${quote(message)}${rest.join("")}`;
}

/** logrus quotes what is not made of these letters alone. */
function quote(value: string): string {
  return /^[a-zA-Z0-9\-._/@^+]+$/.test(value) ? value : JSON.stringify(value);
}
