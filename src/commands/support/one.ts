/** `--format` of the verbs that show one thing. */
import { Failure, messageOf } from "./failure.ts";
import { out } from "./output.ts";
import { execute } from "./template/execute.ts";
import { parseTemplate } from "./template/parse.ts";
import { TYPE } from "./template/values.ts";

/** Prints the thing as JSON or by a template; `type` is its name in complaints. */
export function printOne(format: string, data: object, type: string): void {
  if (format === "json" || format === "{{json .}}") {
    out(`${JSON.stringify(data)}\n`);
    return;
  }
  let template: ReturnType<typeof parseTemplate>;
  try {
    template = parseTemplate("", format);
  } catch (error) {
    throw new Failure(`template parsing error: ${messageOf(error)}`, 64);
  }
  let text = "";
  try {
    text = execute(template, { ...data, [TYPE]: type });
  } finally {
    out(`${text}\n`);
  }
}
