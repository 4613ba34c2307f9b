/**
 * The one entry point. Looks at the name it was called by (and, when that is `tsd` or `docker`, at the first
 * word) and loads exactly one personality. Nothing else may be imported here: start-up time is the product.
 */
import { personalityOf } from "./commands/personality.ts";
import { PROGRAMS } from "./commands/programs.ts";

const called = personalityOf(process.argv0, process.argv[2]);
const args = process.argv.slice(called.longForm ? 3 : 2);
const run = await PROGRAMS[called.name](args);
await run(args);
