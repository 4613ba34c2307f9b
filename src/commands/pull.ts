/** `pull`: downloads an image. */
import type { Command } from "./support/command.ts";
import { Failure } from "./support/failure.ts";
import { bool, string } from "./support/flags.ts";
import { pullInto } from "./support/image/pull.ts";
import { canonical, parseReference } from "./support/image/reference.ts";
import { out } from "./support/output.ts";

export const command: Command = {
  use: "[OPTIONS] NAME[:TAG|@DIGEST]",
  short: "Download an image from a registry",
  arity: { exact: 1 },
  flags: [
    bool("all-tags", "a", "Download all tagged images of the repository"),
    bool("disable-content-trust", undefined, "Skip image verification", { default: true, hidden: true }),
    string("platform", undefined, "Platform to download if there are several", {
      default: process.env.DOCKER_DEFAULT_PLATFORM ?? "",
    }),
    bool("quiet", "q", "Suppress verbose output"),
  ],
  async run({ args, flags, client, global }) {
    const name = parseReference(args[0] as string);
    const all = flags.bool("all-tags");
    if (all && (name.tag !== undefined || name.digest !== undefined))
      throw new Failure("tag can't be used with --all-tags/-a");
    const quiet = flags.bool("quiet");
    if (!all && name.tag === undefined && name.digest === undefined && !quiet)
      out("Using default tag: latest\n");
    await pullInto(await client(), args[0] as string, {
      platform: flags.string("platform"),
      fd: 1,
      quiet,
      global,
      all,
    });
    out(`${all ? canonical(name).replace(/:latest$/, "") : canonical(name)}\n`);
  },
};
