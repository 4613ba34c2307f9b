/** `tsrunc create ID`: everything but the command; `tsrunc start` executes that. */
import type { Verb } from "../tsrunc.ts";
import { LAUNCH_FLAGS, launch } from "./launch.ts";

export const verb: Verb = {
  flags: LAUNCH_FLAGS,
  usage:
    "[--bundle DIR] [--console-socket PATH] [--pid-file FILE] [--no-pivot] [--no-new-keyring] [--preserve-fds N] ID",
  words: [1, 1],
  async run([id = ""], flags, context) {
    try {
      await launch(id, flags, context, {});
    } catch (error) {
      throw new Error(`runc create failed: ${(error as Error).message}`, { cause: error });
    }
    return 0;
  },
};
