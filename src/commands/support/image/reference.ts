/** Image names as users write them: `[host/]path[:tag][@digest]`. */
import { parseReference as judge } from "../../../registry/client/reference.ts";
import { Failure } from "../failure.ts";

export interface ImageName {
  /** As it was written, without tag and digest. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

export function parseReference(text: string, prefix?: string): ImageName {
  try {
    judge(text);
  } catch (error) {
    const reason = (error as Error).message;
    throw new Failure(prefix === undefined ? reason : `${prefix}: ${reason}`);
  }
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  const tagged = colon > named.lastIndexOf("/");
  const repository = tagged ? named.slice(0, colon) : named;
  const tag = tagged ? named.slice(colon + 1) : undefined;
  return { repository, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** The registry that serves a repository, as credentials are kept for it. */
export function registryOf(repository: string): string {
  const slash = repository.indexOf("/");
  const host = slash < 0 ? "" : repository.slice(0, slash);
  return host !== "" && (/[.:]/.test(host) || host === "localhost") ? host : "docker.io";
}

/** Without Docker Hub's name and its `library/`. */
export const familiar = (name: string): string =>
  name.replace(/^(?:docker\.io|index\.docker\.io)\/(?:library\/)?/, "");

/** With both, and with the default tag. */
export function canonical(name: ImageName): string {
  const path = familiar(name.repository);
  const full =
    registryOf(path) === "docker.io" ? `docker.io/${path.includes("/") ? path : `library/${path}`}` : path;
  return name.digest ? `${full}@${name.digest}` : `${full}:${name.tag ?? "latest"}`;
}
