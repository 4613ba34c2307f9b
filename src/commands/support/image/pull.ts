/** Pulling an image, for `pull`, `run` and `create`. */
import type { ApiClient } from "../../../engine/api/client.ts";
import type { GlobalOptions } from "../command.ts";
import { registryAuth } from "../registry/credentials.ts";
import { showProgress, watchFailure } from "./progress.ts";
import { parseReference, registryOf } from "./reference.ts";

export interface PullOptions {
  readonly platform: string;
  /** Where progress goes. */
  readonly fd: 1 | 2;
  readonly quiet: boolean;
  readonly global: GlobalOptions;
  readonly all?: boolean;
}

export async function pullInto(api: ApiClient, image: string, options: PullOptions): Promise<void> {
  const name = parseReference(image);
  const auth = await registryAuth(options.global, registryOf(name.repository));
  const query = {
    fromImage: name.repository,
    tag: options.all ? undefined : (name.digest ?? name.tag ?? "latest"),
    platform: options.platform,
  };
  const answer = await api.request("POST", "/images/create", {
    query,
    ...(auth ? { headers: { "X-Registry-Auth": auth } } : {}),
  });
  if (!options.quiet) return showProgress(answer.body, options.fd);
  await watchFailure(answer.body);
}
