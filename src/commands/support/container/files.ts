/** Files of `NAME=value` lines: `--env-file` and `--label-file`. */
import { readFileSync } from "node:fs";
import { Failure } from "../failure.ts";

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as { code?: string };
    const reason =
      code === "ENOENT"
        ? "no such file or directory"
        : code === "EACCES"
          ? "permission denied"
          : code === "EISDIR"
            ? "is a directory"
            : code;
    throw new Failure(code === "EISDIR" ? `read ${path}: ${reason}` : `open ${path}: ${reason}`);
  }
}

/** A name alone takes its value from `lookup`, and is left out when that knows none. */
export function readPairs(
  path: string,
  lookup: ((name: string) => string | undefined) | undefined,
): string[] {
  const pairs: string[] = [];
  const text = read(path).replace(/^\uFEFF/, "");
  if (text.includes("\uFFFD")) throw new Failure(`invalid utf8 bytes in ${path}`);
  for (const raw of text.split("\n")) {
    const line = raw.replace(/\r$/, "").trimStart();
    if (line === "" || line.startsWith("#")) continue;
    const at = line.indexOf("=");
    const name = (at < 0 ? line : line.slice(0, at)).trimStart();
    if (/\s/.test(name))
      throw new Failure(`invalid env file (${path}): variable '${name}' contains whitespaces`);
    if (name === "") throw new Failure(`invalid env file (${path}): no variable name on line '${line}'`);
    if (at >= 0) {
      pairs.push(`${name}=${line.slice(at + 1)}`);
      continue;
    }
    const value = lookup?.(line.trim());
    if (value !== undefined) pairs.push(`${name.trim()}=${value}`);
    else if (!lookup) pairs.push(name.trim());
  }
  return pairs;
}
