/** From a reference to the registry that has it, and to the digest that it names there. */
import type { Credentials } from "./auth.ts";
import { type Endpoint, endpointsOf, type RegistryOptions } from "./endpoint.ts";
import { RegistryError } from "./errors.ts";
import type { Reference } from "./reference.ts";
import { Repository } from "./repository.ts";

export interface Resolved {
  repository: Repository;
  /** What the reference names: manifest or index. `size` is what the registry says. */
  mediaType: string;
  digest: string;
  size: number;
}

/** Tries a registry's endpoints in order; the first that answers is used for all that follows. */
export async function resolve(
  reference: Reference,
  options: RegistryOptions,
  credentials?: Credentials,
  signal?: AbortSignal,
): Promise<Resolved> {
  const target = reference.digest ?? reference.tag ?? "latest";
  return atFirst(reference, options, "pull", credentials, async (repository) => {
    const head = await repository.head(target, signal);
    const digest = reference.digest ?? head.digest;
    if (digest !== undefined) return { repository, mediaType: head.mediaType, digest, size: head.size };
    const manifest = await repository.manifest(target, signal);
    return {
      repository,
      mediaType: manifest.mediaType,
      digest: manifest.digest,
      size: manifest.bytes.length,
    };
  });
}

/** Runs `use` with the first endpoint that can be spoken to. */
export async function atFirst<T>(
  reference: Reference,
  options: RegistryOptions,
  actions: "pull" | "pull,push",
  credentials: Credentials | undefined,
  use: (repository: Repository) => Promise<T>,
): Promise<T> {
  const all = await endpointsOf(reference.domain, options);
  const endpoints = actions === "pull" ? all : all.filter(({ mirror }) => !mirror);
  let failure: unknown;
  for (const endpoint of endpoints) {
    try {
      return await use(new Repository(accessTo(endpoint, reference, actions, credentials)));
    } catch (error) {
      if (!(error instanceof RegistryError) || error.kind === "cancelled") throw error;
      failure = error;
      // An answer counts; a mirror's does not, and no connection leads to the next.
      if (!endpoint.mirror && error.kind !== "unavailable") throw error;
    }
  }
  throw failure;
}

function accessTo(
  { url, skipVerify, mirror }: Endpoint,
  { path }: Reference,
  actions: "pull" | "pull,push",
  credentials: Credentials | undefined,
) {
  // Docker Hub's password is not a mirror's business.
  return { url, skipVerify, path, actions, ...(credentials && !mirror && { credentials }) };
}
