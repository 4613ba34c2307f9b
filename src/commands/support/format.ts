/** `--format` of the listing commands: `table`, `table TEMPLATE`, `json`, `raw`, or a template for every row. */

import { execute } from "../../engine/template/execute.ts";
import type { Template } from "../../engine/template/nodes.ts";
import { parseTemplate } from "../../engine/template/parse.ts";
import { type GoRecord, toJson } from "../../engine/template/values.ts";
import { Failure, messageOf } from "./failure.ts";
import { out } from "./output.ts";
import { align } from "./table.ts";

export type Row = GoRecord & Record<string, unknown>;

export interface Listing {
  /** As the user gave it; empty means the default table. */
  readonly format: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The template of the default table, without the word. */
  readonly table: string;
  readonly rows: readonly Row[];
  /** The template behind the word `raw`. */
  readonly raw?: string;
  /** A row with nothing in it, to find mistakes of a template on. */
  readonly sample?: Row;
}

export function parseFormat(source: string): Template {
  try {
    return parseTemplate("", source);
  } catch (error) {
    throw new Failure(`template parsing error: ${messageOf(error)}`);
  }
}

/** Backslash escapes that a shell user cannot easily type otherwise. */
const unescaped = (text: string): string => text.replace(/\\t/g, "\t").replace(/\\n/g, "\n");

/** The template within a format, and whether it is a table. */
export function splitFormat(format: string, table: string): { isTable: boolean; source: string } {
  if (format === "" || format === "table") return { isTable: true, source: table };
  if (format === "json" || format === "{{json .}}") return { isTable: false, source: "{{json .}}" };
  if (format.startsWith("table ") || format.startsWith("table\t"))
    return { isTable: true, source: unescaped(format.slice(5).replace(/^ +| +$/g, "")) };
  return { isTable: false, source: unescaped(format.replace(/^ +| +$/g, "")) };
}

export function renderListing(listing: Listing): string {
  const { isTable, source } =
    listing.format === "raw" && listing.raw
      ? { isTable: false, source: listing.raw }
      : splitFormat(listing.format, listing.table);
  if (source === "{{json .}}" && !isTable) return listing.rows.map((row) => `${toJson(row)}\n`).join("");
  let template: Template;
  try {
    template = parseTemplate("", source);
  } catch (error) {
    throw new Failure(`failed to parse template: ${messageOf(error)}`);
  }
  let text = "";
  // Docker's client has other words for what it finds out on the first row than for what it tries before.
  let complaint = "failed to execute template";
  try {
    if (listing.sample) execute(template, listing.sample);
    complaint = "template parsing error";
    for (const row of listing.rows) text += `${execute(template, row)}\n`;
  } catch (error) {
    throw new Failure(`${complaint}: ${messageOf(error)}`);
  }
  if (!isTable) return text;
  return `${align(`${execute(headerTemplate(source), { ...listing.headers, Label: labelHeader })}\n${text}`)}`;
}

/** `com.example.some-label` heads its column as `some label`. */
const labelHeader = (name: unknown): string => (String(name).split(".").at(-1) ?? "").replace(/[-_]/g, " ");

/** Functions that shape values must not shape the headings. */
function headerTemplate(source: string): Template {
  return parseTemplate(
    "",
    source.replace(/\{\{-?\s*(?:json|lower|upper|title)\s+(\.\w+)\s*-?\}\}/g, "{{$1}}"),
  );
}

export const printListing = (listing: Listing): void => out(renderListing(listing));
