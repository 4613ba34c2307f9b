/** What the `inspect` verbs share: fetching by name, then indented JSON or a template over each. */
import { ApiError } from "../../engine/api/client.ts";
import { execute } from "../../engine/template/execute.ts";
import type { Template } from "../../engine/template/nodes.ts";
import { parseTemplate } from "../../engine/template/parse.ts";
import { Failure, messageOf } from "./failure.ts";
import { string } from "./flags.ts";
import { err, out } from "./output.ts";

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

export interface Found {
  readonly json: string;
  /** What Docker's client has a type for; anything else is taken as it came. */
  readonly kind?: "container" | "image" | "network";
}

/** Finds what a name means. */
export type Fetch = (name: string) => Promise<Found>;

/** First as the type, whose fields all exist; then, for what the type does not know, as the JSON that came. */
async function shaped(template: Template, { json, kind }: Found): Promise<string> {
  const raw = JSON.parse(json);
  if (kind) {
    const { typed } = await import("./template/typed.ts");
    const { CONTAINER, CONTAINER_TYPES } = await import("./template/types/container.ts");
    const { IMAGE, IMAGE_TYPES } = await import("./template/types/image.ts");
    const { NETWORK, NETWORK_TYPES } = await import("./template/types/network.ts");
    const [types, type] = {
      container: [CONTAINER_TYPES, CONTAINER] as const,
      image: [IMAGE_TYPES, IMAGE] as const,
      network: [NETWORK_TYPES, NETWORK] as const,
    }[kind];
    try {
      return execute(template, typed(types, type, raw));
    } catch {
      // The complaint about the JSON is the one that Docker's client shows.
    }
  }
  return execute(template, raw, { strict: true });
}

export async function inspectAll(names: readonly string[], format: string, fetch: Fetch): Promise<number> {
  const errors: string[] = [];
  const found: Found[] = [];
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
    for (const each of found) {
      try {
        text += `${await shaped(template, each)}\n`;
      } catch (error) {
        out(`${text}\n`);
        throw new Failure(`template parsing error: ${messageOf(error)}`);
      }
    }
    out(text || "\n");
  } else if (format === "json")
    out(found.length > 0 ? `[${found.map(({ json }) => json.trim()).join(",")}]\n` : "[]\n");
  else out(found.length > 0 ? `${indentJson(`[${found.map(({ json }) => json).join(",")}]`)}\n` : "[]\n");
  if (errors.length === 0) return 0;
  err(`${errors.join("\n")}\n`);
  return 1;
}
