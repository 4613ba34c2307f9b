/** Asks before something is removed for good. */
import { out } from "./output.ts";
import { readLine } from "./prompt.ts";

/** To be interrupted is an answer, too: no. */
export async function confirm(warning: string): Promise<boolean> {
  out(`${warning} [y/N] `);
  const interrupted = Promise.withResolvers<undefined>();
  const stop = (): void => {
    out("\n");
    interrupted.resolve(undefined);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    const line = await Promise.race([readLine(), interrupted.promise]);
    return line?.trim().toLowerCase() === "y";
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}
