/** A shim with the plans of the tests, as a program. */
import { runShim } from "../../../src/engine/shim/run.ts";
import { compilers } from "./plans.ts";

const execRoot = process.argv[process.argv.indexOf("--exec-root") + 1]!;
await runShim({ execRoot, compilers, stay: false });
