/** `push`: uploads an image to its registry. */
import type { Command } from "./support/command.ts";
import { Failure } from "./support/failure.ts";
import { bool, string } from "./support/flags.ts";
import { parsePlatform } from "./support/image/platform.ts";
import { showProgress, watchFailure } from "./support/image/progress.ts";
import { canonical, familiar, parseReference, registryOf } from "./support/image/reference.ts";
import { out } from "./support/output.ts";
import { registryAuth } from "./support/registry/credentials.ts";

/** The daemon asks for the header even when nothing is in it. */
const NOBODY = "e30=";

export const command: Command = {
  use: "[OPTIONS] NAME[:TAG]",
  short: "Upload an image to a registry",
  arity: { exact: 1 },
  flags: [
    bool("all-tags", "a", "Upload all tags of the repository"),
    bool("disable-content-trust", undefined, "Skip image verification", { default: true, hidden: true }),
    string("platform", undefined, "Upload only the manifest of this platform (os[/arch[/variant]])"),
    bool("quiet", "q", "Suppress verbose output"),
  ],
  async run({ args, flags, client, global }) {
    const name = parseReference(args[0] as string);
    const all = flags.bool("all-tags");
    const quiet = flags.bool("quiet");
    const bare = name.tag === undefined && name.digest === undefined;
    if (all && !bare) throw new Failure("tag can't be used with --all-tags/-a");
    if (!all && bare && !quiet) out("Using default tag: latest\n");
    const platform = flags.string("platform");
    const auth = await registryAuth(global, registryOf(name.repository));
    const api = await client();
    const answer = await api.request("POST", `/images/${familiar(name.repository)}/push`, {
      query: {
        tag: all ? undefined : (name.tag ?? "latest"),
        platform: platform === "" ? undefined : JSON.stringify(parsePlatform(platform, "invalid platform")),
      },
      headers: { "X-Registry-Auth": auth ?? NOBODY },
    });
    if (!quiet) return showProgress(answer.body, 1);
    await watchFailure(answer.body);
    out(`${canonical(name)}\n`);
  },
};
