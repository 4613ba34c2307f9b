/**
 * Whether a registry takes a password, as `docker login` asks before it keeps one.
 * @source OCI distribution-spec v1.1, "Determining Support"; distribution, "Token Authentication Specification"
 */
import type { Credentials } from "./auth.ts";
import { endpointsOf, type RegistryOptions } from "./endpoint.ts";
import { RegistryError } from "./errors.ts";
import { Repository } from "./repository.ts";

const HUB = "docker.io";

/** The registry that an address (a host, or a URL; empty for Docker Hub) stands for. */
function domainOf(address: string): string {
  if (address === "") return HUB;
  const url = URL.parse(/^https?:\/\//.test(address) ? address : `https://${address}`);
  if (url === null) throw new RegistryError("invalid", `unable to parse server address: ${address}`);
  return url.host === "index.docker.io" ? HUB : url.host;
}

/** Mirrors are not asked: the password is not theirs. @throws RegistryError unauthorized when it is wrong */
export async function login(
  address: string,
  credentials: Credentials,
  options: RegistryOptions,
  signal?: AbortSignal,
): Promise<void> {
  const endpoints = (await endpointsOf(domainOf(address), options)).filter(({ mirror }) => !mirror);
  const { url, skipVerify } = endpoints[0]!;
  const repository = new Repository({ url, skipVerify, path: "", actions: "pull", credentials });
  const target = `${url}/v2/`;
  try {
    const response = await repository.request("GET", target, signal ? { signal } : {});
    await response.body?.cancel();
  } catch (error) {
    if (!(error instanceof RegistryError) || error.kind !== "unauthorized") throw error;
    // The registry itself says nothing more than its status, an issuer of tokens why.
    if (/authentication required$|^no basic auth/.test(error.message)) {
      throw new RegistryError("invalid", `login attempt to ${target} failed with status: 401 Unauthorized`, {
        cause: error,
      });
    }
    throw new RegistryError("unauthorized", `Get "${target}": ${error.message}`, { cause: error });
  }
}
