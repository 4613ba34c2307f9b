/** `npm run build`: dist/tsd for this machine. */
import { join } from "node:path";
import { buildStage, compile } from "./compile.ts";
import { checkInert } from "./inert.ts";
import { hostTarget } from "./target.ts";

const outfile = join(import.meta.dir, "../dist/tsd");
buildStage();
await compile(hostTarget(), outfile);
checkInert(outfile);
console.log(`dist/tsd  ${(Bun.file(outfile).size / 1e6).toFixed(1)} MB`);
