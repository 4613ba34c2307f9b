/** Pulling an image, for `pull`, `run` and `create`. */
import type { ApiClient } from "../../../engine/api/client.ts";
import type { GlobalOptions } from "../command.ts";
import { type ConfigFile, readConfig } from "../connect.ts";
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

const HUB = "https://index.docker.io/v1/";

/** What `docker login` has left for a registry, as the header wants it. */
export async function credentials(config: ConfigFile, registry: string): Promise<string | undefined> {
  const key = registry === "docker.io" ? HUB : registry;
  const helper = config.credHelpers?.[key] ?? config.credsStore;
  let auth: Record<string, string> | undefined;
  if (helper) auth = await askHelper(helper, key);
  else {
    const entry =
      config.auths?.[key] ??
      config.auths?.[`https://${registry}`] ??
      config.auths?.[`https://${registry}/v1/`];
    if (entry?.identitytoken) auth = { identitytoken: entry.identitytoken };
    else if (entry?.auth) {
      const [username, ...password] = Buffer.from(entry.auth, "base64")
        .toString()
        .replace(/\0+$/, "")
        .split(":");
      auth = { username: username as string, password: password.join(":") };
    } else if (entry?.username) auth = { username: entry.username, password: entry.password ?? "" };
  }
  return auth && Buffer.from(JSON.stringify({ ...auth, serveraddress: key })).toString("base64url");
}

async function askHelper(helper: string, key: string): Promise<Record<string, string> | undefined> {
  try {
    const child = Bun.spawn([`docker-credential-${helper}`, "get"], {
      stdin: new TextEncoder().encode(key),
      stdout: "pipe",
      stderr: "ignore",
    });
    const text = await new Response(child.stdout).text();
    if ((await child.exited) !== 0) return undefined;
    const { Username, Secret } = JSON.parse(text) as { Username: string; Secret: string };
    return Username === "<token>" ? { identitytoken: Secret } : { username: Username, password: Secret };
  } catch {
    // Without the helper the registry is asked anonymously, which many allow.
    return undefined;
  }
}

export async function pullInto(api: ApiClient, image: string, options: PullOptions): Promise<void> {
  const name = parseReference(image);
  const auth = await credentials(readConfig(options.global), registryOf(name.repository));
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
