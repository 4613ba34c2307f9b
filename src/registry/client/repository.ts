/**
 * One repository at one endpoint: manifests, blobs, tags. Plain data goes in, so that another process can go on with
 * the same access (`RepositoryAccess`).
 * @source OCI distribution-spec v1.1
 */
import { answer, basic, type Credentials, parseChallenges } from "./auth.ts";
import { bodyError, connectionError, errorOf, RegistryError } from "./errors.ts";
import { tlsOf } from "./tls.ts";
import { follow, send } from "./transport.ts";

export interface RepositoryAccess {
  /** `https://registry-1.docker.io` */
  url: string;
  skipVerify: boolean;
  /** `library/busybox`; empty for the registry itself. */
  path: string;
  actions: "pull" | "pull,push";
  credentials?: Credentials;
  /** The `Authorization` header that was right last. */
  authorization?: string;
}

export interface Manifest {
  mediaType: string;
  digest: string;
  bytes: Uint8Array;
}

const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
/** A manifest larger than this is refused, as containerd's and Docker's limit is. */
const MANIFEST_MAX = 4 * 1024 * 1024;
const REDIRECTS_MAX = 10;
const ATTEMPTS = 5;

type Init = Omit<RequestInit, "headers"> & { headers?: Record<string, string> };

export class Repository {
  readonly access: RepositoryAccess;

  constructor(access: RepositoryAccess) {
    this.access = access;
  }

  /** Type, digest and size of what a tag or digest names now; digest undefined when the registry does not say. */
  async head(
    reference: string,
    signal?: AbortSignal,
  ): Promise<{ mediaType: string; digest?: string; size: number }> {
    const response = await this.#manifestRequest("HEAD", reference, signal);
    const digest = response.headers.get("docker-content-digest") ?? undefined;
    return {
      mediaType: mediaTypeOf(response),
      size: Number(response.headers.get("content-length") ?? 0),
      ...(digest !== undefined && { digest }),
    };
  }

  /** @throws RegistryError invalid when the content is not what `reference` (a digest) says */
  async manifest(reference: string, signal?: AbortSignal): Promise<Manifest> {
    const response = await this.#manifestRequest("GET", reference, signal);
    const bytes = await limited(response, MANIFEST_MAX, `manifest ${reference}`);
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
    if (reference.includes(":") && reference !== digest) {
      throw new RegistryError("invalid", `manifest verification failed for digest ${reference}`);
    }
    return { mediaType: declaredType(bytes) ?? mediaTypeOf(response), digest, bytes };
  }

  async #manifestRequest(method: "GET" | "HEAD", reference: string, signal?: AbortSignal): Promise<Response> {
    return this.request(method, `/v2/${this.access.path}/manifests/${reference}`, {
      headers: { Accept: MANIFEST_TYPES.join(", ") },
      ...(signal && { signal }),
    });
  }

  /** A whole small blob, verified. */
  async smallBlob(digest: string, size: number, signal?: AbortSignal): Promise<Uint8Array> {
    const response = await this.blob(digest, 0, signal);
    const bytes = await limited(response, size, `blob ${digest}`);
    if (`sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}` !== digest) {
      throw new RegistryError("invalid", `filesystem layer verification failed for digest ${digest}`);
    }
    return bytes;
  }

  /**
   * A blob's bytes from `offset` on: status 206, or 200 and everything when the registry cannot resume.
   * @throws RegistryError notFound `unknown blob`, whatever words the registry has for it, as Docker does
   */
  async blob(digest: string, offset: number, signal?: AbortSignal): Promise<Response> {
    try {
      return await this.request("GET", `/v2/${this.access.path}/blobs/${digest}`, {
        headers: offset > 0 ? { Range: `bytes=${offset}-` } : {},
        ...(signal && { signal }),
      });
    } catch (error) {
      if (!(error instanceof RegistryError) || error.kind !== "notFound") throw error;
      throw new RegistryError("notFound", "unknown blob", { cause: error });
    }
  }

  /** All tags, following the pages. */
  async tags(signal?: AbortSignal): Promise<string[]> {
    const tags: string[] = [];
    let next: string | undefined = `/v2/${this.access.path}/tags/list`;
    while (next !== undefined) {
      const response: Response = await this.request("GET", next, signal ? { signal } : {});
      const body = JSON.parse(Buffer.from(await limited(response, MANIFEST_MAX, "tags")).toString());
      if (Array.isArray(body.tags)) tags.push(...body.tags.filter((tag: unknown) => typeof tag === "string"));
      const link = /^<([^>]*)>;\s*rel="?next"?/.exec(response.headers.get("link") ?? "");
      next = link ? follow("Link", link[1]!, this.access.url) : undefined;
    }
    return tags;
  }

  /**
   * One request with authorization, redirects and retries. Resolves with a 2xx answer only.
   * @throws RegistryError
   */
  async request(method: string, target: string, init: Init = {}): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#authorized(method, new URL(target, this.access.url).href, init);
      } catch (error) {
        const again = error instanceof RegistryError && error.kind === "unavailable" && attempt < ATTEMPTS;
        // A body that is a stream is gone; a refused connection on a first request is an answer.
        if (!again || init.body instanceof ReadableStream || refused(error)) throw error;
        await Bun.sleep(100 * 2 ** attempt);
        init.signal?.throwIfAborted();
      }
    }
  }

  async #authorized(method: string, url: string, init: Init): Promise<Response> {
    const { access } = this;
    if (access.credentials?.registrytoken)
      access.authorization = `Bearer ${access.credentials.registrytoken}`;
    const response = await this.#redirected(method, url, init, access.authorization);
    if (response.ok) return response;
    // Where a redirect led to is asked no password, nor may name who gets it.
    const own = new URL(response.url).origin === new URL(access.url).origin;
    if (response.status !== 401 || !own) throw await errorOf(response);
    const challenges = parseChallenges(response.headers.get("www-authenticate") ?? "");
    if (challenges.length === 0) throw await errorOf(response);
    await response.body?.cancel();
    const scope = access.path === "" ? "" : `repository:${access.path}:${access.actions}`;
    access.authorization = await answer(challenges, scope, access.credentials, (to, options) =>
      this.#fetch(to, access.url, options),
    );
    const second = await this.#redirected(method, url, init, access.authorization);
    if (second.ok) return second;
    const error = await errorOf(second);
    if (error.kind === "unauthorized" && access.authorization === basic(access.credentials ?? {})) {
      throw new RegistryError("unauthorized", "unauthorized: authentication required");
    }
    throw error;
  }

  /** The registry's credentials go to its own origin only: blobs often live at somebody else's. */
  async #redirected(method: string, first: string, init: Init, authorization?: string): Promise<Response> {
    const origin = new URL(this.access.url).origin;
    let url = first;
    let from = this.access.url;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const own = new URL(url).origin === origin;
      const headers: Record<string, string> = {
        "User-Agent": "tsd",
        "Accept-Encoding": "identity",
        ...init.headers,
      };
      if (own && authorization !== undefined) headers.Authorization = authorization;
      const response = await this.#fetch(url, from, { ...init, method, headers });
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) return response;
      await response.body?.cancel();
      from = url;
      url = follow("Location", location, url);
    }
    throw new RegistryError(
      "invalid",
      `${method} ${JSON.stringify(first)}: stopped after ${REDIRECTS_MAX} redirects`,
    );
  }

  async #fetch(url: string, from: string, init: RequestInit): Promise<Response> {
    const { skipVerify } = this.access;
    const tls = tlsOf(url, skipVerify);
    try {
      return await send(url, init, { from, tls, insecure: skipVerify });
    } catch (error) {
      if (error instanceof RegistryError) throw error;
      // What could not be reached is the registry, whatever was asked of it: that is how Docker says it.
      const { origin } = new URL(url);
      if (origin === new URL(this.access.url).origin) throw connectionError("GET", `${origin}/v2/`, error);
      throw connectionError(init.method ?? "GET", url, error);
    }
  }
}

const refused = (error: unknown): boolean =>
  error instanceof RegistryError && /connection refused|no such host|x509|certificate/.test(error.message);

/** The type that a manifest gives itself. What is none is for its reader to refuse. */
function declaredType(bytes: Uint8Array): string | undefined {
  try {
    const { mediaType } = JSON.parse(Buffer.from(bytes).toString()) as { mediaType?: unknown };
    return typeof mediaType === "string" ? mediaType : undefined;
  } catch {
    return undefined;
  }
}

const mediaTypeOf = (response: Response): string =>
  (response.headers.get("content-type") ?? "").split(";")[0]!.trim();

async function limited(response: Response, limit: number, what: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of response.body ?? []) {
      length += part.length;
      if (length > limit) throw new RegistryError("invalid", `${what} is larger than ${limit} bytes`);
      parts.push(part);
    }
  } catch (error) {
    throw bodyError(error);
  }
  return Buffer.concat(parts);
}
