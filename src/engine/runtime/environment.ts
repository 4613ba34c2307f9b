/** A process's variables, as runc takes them. @source runc, libcontainer/env.go */
import { EngineError } from "../errors.ts";

/** @throws EngineError for one that is none */
export function checkEnvironment(env: readonly string[] = []): void {
  for (const entry of env) {
    const at = entry.indexOf("=");
    if (at > 0 && !entry.includes("\0")) continue;
    throw new EngineError("invalid", `invalid environment variable${mistakeOf(entry, at)}`);
  }
}

function mistakeOf(entry: string, at: number): string {
  if (at < 0) return ": missing '='";
  if (at === 0) return ": name cannot be empty";
  return ` ${JSON.stringify(entry.slice(0, at))}: contains nul byte (\\x00)`;
}

/** Of those that are set twice the last, and HOME unless it is there with a value: `home` is asked for it then. */
export function completeEnvironment(env: readonly string[], home: () => string): string[] {
  const last = new Map<string, string>();
  for (const entry of env) {
    const name = entry.slice(0, entry.indexOf("="));
    last.delete(name);
    last.set(name, entry);
  }
  if ((last.get("HOME") ?? "HOME=") === "HOME=") {
    last.delete("HOME");
    last.set("HOME", `HOME=${home()}`);
  }
  return [...last.values()];
}
