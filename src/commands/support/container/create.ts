/** Creating a container the way `run` and `create` do: with a pull when the image is missing. */
import { type ApiClient, ApiError } from "../../../engine/api/client.ts";
import { fs } from "../builtin.ts";
import type { GlobalOptions } from "../command.ts";
import { Failure, reasonOf } from "../failure.ts";
import type { ParsedFlags } from "../flags.ts";
import { err } from "../output.ts";
import type { CreateBody } from "./config.ts";

export interface Created {
  readonly Id: string;
  readonly Warnings?: readonly string[] | null;
}

export async function createContainer(
  client: ApiClient,
  body: CreateBody,
  flags: ParsedFlags,
  global: GlobalOptions,
): Promise<Created> {
  const cidfile = flags.string("cidfile");
  const pull = flags.string("pull");
  const platform = flags.string("platform");
  if (platform !== "") {
    const { parsePlatform } = await import("../image/platform.ts");
    parsePlatform(platform, "error parsing specified platform");
  }
  // Made before the container is, so that there is none when the file cannot be.
  const file = cidfile === "" ? undefined : openIdFile(cidfile);
  const pullImage = async (): Promise<void> => {
    const { pullInto } = await import("../image/pull.ts");
    await pullInto(client, body.Image, { platform, fd: 2, quiet: flags.bool("quiet"), global });
  };
  const create = (): Promise<Created> =>
    client.json<Created>("POST", "/containers/create", {
      query: { name: flags.string("name"), platform },
      body,
    });
  let created: Created;
  try {
    if (pull === "always") {
      await shownName(body.Image);
      await pullImage();
    }
    try {
      created = await create();
    } catch (error) {
      // Also for what the daemon refused: its words for a name that cannot be one are not those of Docker's client.
      const name = await shownName(body.Image);
      const missing = error instanceof ApiError && error.status === 404;
      if (!missing || pull !== "missing" || name === undefined) throw error;
      if (!flags.bool("quiet")) err(`Unable to find image '${name}' locally\n`);
      await pullImage();
      created = await create();
    }
    if (file !== undefined) fs().writeSync(file, created.Id);
  } catch (error) {
    if (file !== undefined) fs().unlinkSync(cidfile);
    throw error;
  } finally {
    if (file !== undefined) fs().closeSync(file);
  }
  for (const warning of created.Warnings ?? []) err(`WARNING: ${warning}\n`);
  return created;
}

function openIdFile(path: string): number {
  if (fs().existsSync(path)) {
    throw new Failure(
      `container ID file found, make sure the other container isn't running or delete ${path}`,
    );
  }
  try {
    return fs().openSync(path, "wx", 0o644);
  } catch (error) {
    throw new Failure(`failed to create the container ID file: open ${path}: ${reasonOf(error)}`);
  }
}

/**
 * The name as it is shown when an image has to be pulled; undefined for an id, which nobody can pull. The daemon judges names
 * as well, so that only what failed is looked at: a first regular expression costs 0.1 ms, as much of a start as its whole
 * request.
 */
async function shownName(image: string): Promise<string | undefined> {
  const { familiar, parseAny, tagged } = await import("../../../registry/client/reference.ts");
  try {
    const any = parseAny(image);
    return "digest" in any ? undefined : familiar(tagged(any.reference));
  } catch (error) {
    throw new Failure((error as Error).message);
  }
}

export function checkPull(flags: ParsedFlags): void {
  const pull = flags.string("pull");
  if (pull !== "always" && pull !== "missing" && pull !== "never" && pull !== "") {
    throw new Failure(`invalid pull option: '${pull}': must be one of "always", "missing" or "never"`);
  }
}
