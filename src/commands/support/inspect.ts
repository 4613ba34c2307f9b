/** What the `inspect` verbs share: fetching by name, then indented JSON or a template over each. */
import { ApiError } from "../../engine/api/client.ts";
import { Failure, messageOf } from "./failure.ts";
import { string } from "./flags.ts";
import { err, out } from "./output.ts";
import { execute } from "./template/execute.ts";
import type { Template } from "./template/nodes.ts";
import { parseTemplate } from "./template/parse.ts";

export const FORMAT_FLAG = string("format", "f", "Shape the output: 'json', or a Go template");

/** Indents JSON as it came: numbers that JavaScript cannot hold stay what they are. */
export function indentJson(text: string): string {
  let result = "";
  let depth = 0;
  let at = 0;
  const line = (): string => `\n${"    ".repeat(depth)}`;
  while (at < text.length) {
    const c = text[at] as string;
    if (c === '"') {
      let end = at + 1;
      while (text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
      result += text.slice(at, end + 1);
      at = end + 1;
      continue;
    }
    at += 1;
    if (c === "{" || c === "[") {
      const rest = /^\s*([}\]])/.exec(text.slice(at, at + 64));
      if (rest) {
        result += c + rest[1];
        at += rest[0].length;
      } else {
        depth += 1;
        result += c + line();
      }
    } else if (c === "}" || c === "]") {
      depth -= 1;
      result += line() + c;
    } else if (c === ",") result += c + line();
    else if (c === ":") result += ": ";
    else if (c > " ") result += c;
  }
  return result;
}

/** Gives the JSON text of what a name means. */
export type Fetch = (name: string) => Promise<string>;

export async function inspectAll(names: readonly string[], format: string, fetch: Fetch): Promise<number> {
  const errors: string[] = [];
  const found: string[] = [];
  let template: Template | undefined;
  if (format !== "" && format !== "json") {
    try {
      template = parseTemplate("", format);
    } catch (error) {
      throw new Failure(`template parsing error: ${messageOf(error)}`, 64);
    }
  }
  for (const name of names) {
    try {
      found.push(await fetch(name));
    } catch (error) {
      errors.push(messageOf(error));
      if (!(error instanceof ApiError || error instanceof Failure)) break;
    }
  }
  if (template) {
    let text = "";
    for (const json of found) {
      try {
        text += `${execute(template, JSON.parse(json), { strict: true })}\n`;
      } catch (error) {
        out(`${text}\n`);
        throw new Failure(`template parsing error: ${messageOf(error)}`);
      }
    }
    out(text || "\n");
  } else if (format === "json")
    out(found.length > 0 ? `[${found.map((json) => json.trim()).join(",")}]\n` : "[]\n");
  else out(found.length > 0 ? `${indentJson(`[${found.join(",")}]`)}\n` : "[]\n");
  if (errors.length === 0) return 0;
  err(`${errors.join("\n")}\n`);
  return 1;
}
