/** `ts-shim`: the supervisor of all containers of one exec root. */
import { AnotherShim, runShim } from "../engine/shim/run.ts";
import { VERSION } from "../engine/version.ts";
import { complain } from "../ffi/host.ts";

const USAGE = `Usage: ts-shim [--exec-root DIR] [--stay]

Supervises containers for tsd's daemon, which starts it when there is none.

  --exec-root DIR   where its socket and its state are (default /run/tsd)
  --stay            do not end when there is nothing to do (for a service manager)
  --version         print the version`;

export async function main(args: string[]): Promise<void> {
  // By hand, out of curiosity: it would wait a while for a daemon that nobody starts, and say nothing.
  if (args.length === 0) {
    complain(USAGE);
    process.exit(125);
  }
  let execRoot = "/run/tsd";
  let stay = false;
  for (let at = 0; at < args.length; at++) {
    const [flag, inline] = split(args[at]!);
    if (flag === "--exec-root") {
      const value = inline ?? args[++at];
      if (value === undefined) return fail("flag needs an argument: --exec-root");
      execRoot = value;
    } else if (flag === "--stay" && inline === undefined) stay = true;
    else if (flag === "--version" || flag === "-v") return void console.log(`ts-shim version ${VERSION}`);
    else if (flag === "--help" || flag === "-h") return void console.log(USAGE);
    else return fail(`unknown flag: ${args[at]}`);
  }
  if (process.getuid?.() !== 0) return fail("it needs to be root");
  const { runtimeCompilers } = await import("../engine/shim/plans.ts");
  try {
    await runShim({ execRoot, compilers: runtimeCompilers(), stay });
  } catch (error) {
    fail((error as Error).message, error instanceof AnotherShim ? 75 : 1);
  }
}

function split(word: string): [flag: string, value: string | undefined] {
  const equals = word.indexOf("=");
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

function fail(message: string, status = 125): void {
  complain(`ts-shim: ${message}`);
  process.exit(status);
}
