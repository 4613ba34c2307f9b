/**
 * Builds the program of the embedded image (src/engine/image/hello/) as a module that the program embeds. Does nothing
 * when the module is newer than its source.
 */
import { join } from "node:path";
import { compileFreestanding, embed } from "./freestanding.ts";

const FOLDER = join(import.meta.dir, "../src/engine/image/hello");

export function buildHello(): void {
  embed({
    output: join(FOLDER, "generated.js"),
    name: "HELLO",
    maker: import.meta.path,
    inputs: [join(FOLDER, "hello.c")],
    compile: (arch, folder) =>
      compileFreestanding(arch, { output: join(folder, arch), from: FOLDER, files: ["hello.c"] }),
  });
}

if (import.meta.main) buildHello();
