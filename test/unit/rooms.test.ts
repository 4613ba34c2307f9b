import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const SRC = join(import.meta.dir, "../../src");

/** Every import below src/, those of types alone and those at run time included, as `[from, to]`. */
const IMPORTS = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
  .flatMap((file) =>
    [...readFileSync(join(SRC, file), "utf8").matchAll(/(?:\bfrom|\bimport\(?)\s*"(\.[^"]+)"/g)].map(
      ([, path]): [string, string] => [file, normalize(join(dirname(file), path!))],
    ),
  );

const NOUN = /^engine\/(?!api\/|daemon\/)/;

const RULES: [who: string, from: RegExp, allowed: RegExp][] = [
  ["ffi knows nobody", /^ffi\//, /^ffi\//],
  ["archives are made of ffi alone", /^engine\/archive\//, /^(engine\/archive|ffi)\//],
  ["the registry is made of ffi alone", /^registry\//, /^(registry|ffi)\//],
  ["a service knows no transport", NOUN, /^engine\/(?!api\/|daemon\/)|^(registry\/client|ffi)\//],
  ["a route touches services, never the kernel", /^engine\/api\/(?!client)/, /^engine\/(?!daemon\/)/],
  ["the engine knows no command", /^engine\//, /^(?!commands\/)/],
  [
    "a command knows the API's client, archives and templates, no service",
    /^commands\/(?!programs\.ts|(daemon|shim|init|tsrunc|proxy)(\.ts|\/))/,
    /^(?!engine\/)|^engine\/(api|archive|json|template)\/|^engine\/(version|detach-keys)\.ts$/,
  ],
];

for (const [who, from, allowed] of RULES) {
  test(who, () => {
    const wrong = IMPORTS.filter(([file, to]) => from.test(file) && !allowed.test(to));
    expect(wrong.map((pair) => pair.join(" -> "))).toEqual([]);
    expect(IMPORTS.some(([file]) => from.test(file))).toBe(true);
  });
}

test("every request of the registry's client goes through one place, which knows where it may lead", () => {
  const callers = readdirSync(join(SRC, "registry/client")).filter((file) =>
    /(?<!#)\bfetch\(/.test(readFileSync(join(SRC, "registry/client", file), "utf8")),
  );
  expect(callers).toEqual(["transport.ts"]);
});
