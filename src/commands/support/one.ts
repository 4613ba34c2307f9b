/** `--format` of the verbs that show one thing. */

import { execute } from "../../engine/template/execute.ts";
import { parseTemplate } from "../../engine/template/parse.ts";
import { toJson } from "../../engine/template/values.ts";
import { Failure, messageOf } from "./failure.ts";
import { out } from "./output.ts";
import { typed } from "./template/typed.ts";
import { SYSTEM_TYPES } from "./template/types/system.ts";

/** Prints the thing, a struct of that type, as JSON or by a template, which has that name in complaints. */
export function printOne(format: string, data: object, type: string, name = ""): void {
  const struct = typed(SYSTEM_TYPES, type, data);
  if (format === "json" || format === "{{json .}}") {
    out(`${toJson(struct)}\n`);
    return;
  }
  let template: ReturnType<typeof parseTemplate>;
  try {
    template = parseTemplate(name, format);
  } catch (error) {
    throw new Failure(`template parsing error: ${messageOf(error)}`, 64);
  }
  let text = "";
  try {
    text = execute(template, struct);
  } finally {
    out(`${text}\n`);
  }
}
