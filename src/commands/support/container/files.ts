/** Files of `NAME=value` lines: `--env-file` and `--label-file`. */
import { fs } from "../builtin.ts";
import { Failure, reasonOf } from "../failure.ts";

function read(path: string): Uint8Array {
  try {
    return fs().readFileSync(path);
  } catch (error) {
    // Go opens a folder without complaint, and reads nothing from it.
    if ((error as { code?: string }).code === "EISDIR")
      throw new Failure(`invalid env file (${path}): read ${path}: is a directory`);
    throw new Failure(`open ${path}: ${reasonOf(error)}`);
  }
}

/** UTF-8, or the complaint that names the line that is not. */
function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    for (let start = 0, line = 1; start <= bytes.length; line += 1) {
      const found = bytes.indexOf(10, start);
      const end = found < 0 ? bytes.length : found;
      const part = bytes.subarray(start, end);
      if (Buffer.from(part).toString().includes("\uFFFD"))
        throw new Failure(
          `invalid env file (${path}): invalid utf8 bytes at line ${line}: [${part.join(" ")}]`,
        );
      start = end + 1;
    }
    throw new Failure(`invalid env file (${path}): invalid utf8 bytes`);
  }
}

/** A name alone takes its value from `lookup`, and is left out when that knows none. */
export function readPairs(
  path: string,
  lookup: ((name: string) => string | undefined) | undefined,
): string[] {
  const pairs: string[] = [];
  const text = decode(path, read(path));
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
  }
  return pairs;
}
