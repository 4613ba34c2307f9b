import { expect, test } from "bun:test";
import { renderListing } from "../../../../src/commands/support/format.ts";
import { TYPE } from "../../../../src/engine/template/values.ts";

const labels: Record<string, string> = { "com.example.some-label": "x" };
const listing = (format: string) => ({
  format,
  headers: { Names: "NAMES" },
  table: "{{.Names}}",
  rows: [
    {
      [TYPE]: "*formatter.ContainerContext",
      Names: "one",
      Label: (name: unknown) => labels[String(name)] ?? "",
    },
  ],
});

test("a label in a table is headed by the last part of its name", () => {
  expect(renderListing(listing('table {{.Names}}\t{{.Label "com.example.some-label"}}'))).toBe(
    "NAMES     some label\none       x\n",
  );
});
