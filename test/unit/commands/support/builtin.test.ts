import { expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { isatty, isIP } from "../../../../src/commands/support/builtin.ts";

const root = join(import.meta.dir, "../../../../src");

test("a terminal is told from what is none", () => {
  const terminal = openSync("/dev/ptmx", "r+");
  const nothing = openSync("/dev/null", "r");
  const file = openSync(import.meta.path, "r");
  try {
    expect([terminal, nothing, file, 999_999].map(isatty)).toEqual([true, false, false, false]);
  } finally {
    for (const fd of [terminal, nothing, file]) closeSync(fd);
  }
});

test("addresses are told from names", () => {
  expect(["1.2.3.4", "fe80::1", "localhost", ""].map(isIP)).toEqual([4, 6, 0, 0]);
});

test("no verb brings Node's streams along as it is loaded: they cost as much as a whole command may", async () => {
  const heavy = ["net", "tty", "http", "https", "tls", "stream", "child_process", "readline", "util"];
  const found: string[] = [];
  for await (const file of new Bun.Glob("commands/**/*.ts").scan(root)) {
    const imports = new Bun.Transpiler({ loader: "ts" }).scanImports(await Bun.file(join(root, file)).text());
    for (const { kind, path } of imports) {
      if (kind === "import-statement" && heavy.includes(path.replace("node:", "")))
        found.push(`${file}: ${path}`);
    }
  }
  // These are only ever loaded where there is a terminal.
  expect(found.sort()).toEqual([
    "commands/support/terminal.ts: node:tty",
    "commands/tsrunc/terminal.ts: node:tty",
  ]);
});
