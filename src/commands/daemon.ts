/** `tsd daemon`, also called `dockerd`: reads the command line, then leaves the rest to the engine. */
import { mergeConfigFile } from "../engine/daemon/config-file.ts";
import { parseFlags, UsageError, usage } from "../engine/daemon/flags.ts";
import { VERSION } from "../engine/version.ts";
import { complain } from "../ffi/host.ts";

const NAME = "tsd daemon";

export async function main(args: string[]): Promise<void> {
  try {
    const line = parseFlags(args);
    if (line.action === "help") {
      console.log(usage(NAME));
      process.exit(0);
    }
    if (line.action === "version") {
      console.log(`tsd version ${VERSION}`);
      process.exit(0);
    }
    const config = mergeConfigFile(line);
    if (line.action === "validate") {
      complain("configuration OK");
      process.exit(0);
    }
    const { runDaemon } = await import("../engine/daemon/run.ts");
    await runDaemon(line, config);
    process.exit(0);
  } catch (error) {
    const { message } = error as Error;
    complain(error instanceof UsageError ? `${message}\nSee '${NAME} --help'.` : message);
    process.exit(1);
  }
}
