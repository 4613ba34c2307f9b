/** `npm run build:release`: one file for each platform, and their checksums. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildStage, compile } from "./compile.ts";
import { checkInert } from "./inert.ts";
import { fileName, hostTarget, TARGETS } from "./target.ts";

const dist = join(import.meta.dir, "../dist");
buildStage();
const sums: string[] = [];
for (const target of TARGETS) {
  const name = fileName(target);
  await compile(target, join(dist, name));
  if (target === hostTarget()) checkInert(join(dist, name));
  sums.push(
    `${createHash("sha256")
      .update(readFileSync(join(dist, name)))
      .digest("hex")}  ${name}\n`,
  );
  console.log(sums.at(-1)!.trim());
}
writeFileSync(join(dist, "SHA256SUMS"), sums.join(""));
