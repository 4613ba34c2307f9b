/** `import`: an image of one layer out of a tar archive. */
import { closeSync, createReadStream, openSync } from "node:fs";
import type { Command } from "./support/command.ts";
import { Failure, reasonOf } from "./support/failure.ts";
import { list, string } from "./support/flags.ts";
import { showProgress } from "./support/image/progress.ts";
import { parseReference } from "./support/image/reference.ts";

export const command: Command = {
  use: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
  short: "Make an image of the files in a tar archive",
  arity: { min: 1 },
  flags: [
    list("change", "c", "Apply a Dockerfile instruction to the image"),
    string("message", "m", "Set the image's comment"),
    string("platform", undefined, "Set the image's platform, if the server has several"),
  ],
  async run({ args, flags, client }) {
    const [source, name = ""] = args as [string, string?];
    if (name !== "") parseReference(name);
    const url = /^(?:https?|ftp):\/\//.test(source);
    let fd = 0;
    if (!url && source !== "-") {
      try {
        fd = openSync(source, "r");
      } catch (error) {
        throw new Failure(`open ${source}: ${reasonOf(error)}`);
      }
    }
    const api = await client();
    const changes = flags.list("change").map((change) => `&changes=${encodeURIComponent(change)}`);
    const words = {
      fromSrc: url ? source : "-",
      repo: name,
      message: flags.string("message"),
      platform: flags.string("platform").toLowerCase(),
    };
    const query = Object.entries(words).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
    const body = url ? undefined : createReadStream("", { fd, autoClose: false, highWaterMark: 1 << 18 });
    const answer = await api.request("POST", `/images/create?${query.join("&")}${changes.join("")}`, {
      ...(body ? { body: body as AsyncIterable<Uint8Array> } : {}),
    });
    await showProgress(answer.body, 1);
    if (fd !== 0) closeSync(fd);
  },
};
