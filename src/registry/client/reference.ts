/**
 * Image references in Docker's normal form: `busybox` is `docker.io/library/busybox:latest`. The grammar and the
 * words of the errors are those that docker clients and scripts know.
 * @source OCI distribution-spec, "Pulling manifests"; distribution/reference, "Grammar"
 */
export interface Reference {
  /** `docker.io`, `localhost:5000`. */
  domain: string;
  /** `library/busybox`. */
  path: string;
  tag?: string;
  digest?: string;
}

export class InvalidReference extends Error {
  override readonly name = "InvalidReference";
}

const DEFAULT_DOMAIN = "docker.io";
const LEGACY_DOMAIN = "index.docker.io";
const OFFICIAL = "library/";
const NAME_MAX = 255;

const alnum = "[a-z0-9]+";
const component = `${alnum}(?:(?:\\.|_|__|-+)${alnum})*`;
const label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const host = `(?:${label}(?:\\.${label})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`;
const tagPattern = "[\\w][\\w.-]{0,127}";
const digestPattern = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const WHOLE = new RegExp(
  `^(${host})/(${component}(?:/${component})*)(?::(${tagPattern}))?(?:@(${digestPattern}))?$`,
);
const TAG = new RegExp(`^${tagPattern}$`);

/** Hexadecimal digits of each algorithm that may name content. */
const ALGORITHMS: Record<string, number> = { sha256: 64, sha384: 96, sha512: 128 };

/** `sha256:` and 64 lower-case hexadecimal digits, or one of its longer sisters. */
export function isDigest(value: string): boolean {
  const colon = value.indexOf(":");
  const length = ALGORITHMS[value.slice(0, Math.max(0, colon))];
  return (
    length !== undefined && value.length === colon + 1 + length && /^[a-f0-9]+$/.test(value.slice(colon + 1))
  );
}

/** @throws InvalidReference */
export function parseReference(value: string): Reference {
  if (/^[a-f0-9]{64}$/.test(value)) {
    throw new InvalidReference(
      `invalid repository name (${value}), cannot specify 64-byte hexadecimal strings`,
    );
  }
  const { domain, rest } = splitDomain(value);
  const colon = rest.indexOf(":");
  const remote = colon < 0 ? rest : rest.slice(0, colon);
  if (remote.toLowerCase() !== remote) {
    throw new InvalidReference(`invalid reference format: repository name (${remote}) must be lowercase`);
  }
  const match = WHOLE.exec(`${domain}/${rest}`);
  if (!match) throw new InvalidReference("invalid reference format");
  const [, , path, tag, digest] = match;
  if (path!.length > NAME_MAX) {
    throw new InvalidReference(`repository name must not be more than ${NAME_MAX} characters`);
  }
  if (digest !== undefined && !isDigest(digest)) {
    const colon = digest.indexOf(":");
    const length = ALGORITHMS[digest.slice(0, colon)];
    throw new InvalidReference(
      length === undefined
        ? "unsupported digest algorithm"
        : `invalid checksum digest ${length === digest.length - colon - 1 ? "format" : "length"}`,
    );
  }
  return { domain, path: path!, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) };
}

/** The first part is a host if it could not be anything else: it has a dot, a port, a capital, or is `localhost`. */
function splitDomain(value: string): { domain: string; rest: string } {
  const slash = value.indexOf("/");
  const first = value.slice(0, Math.max(0, slash));
  const isHost = slash > 0 && (/[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first);
  let domain = isHost ? first : DEFAULT_DOMAIN;
  let rest = isHost ? value.slice(slash + 1) : value;
  if (domain === LEGACY_DOMAIN) domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !rest.includes("/")) rest = OFFICIAL + rest;
  return { domain, rest };
}

/** `docker.io/library/busybox` */
export const nameOf = (ref: Reference): string => `${ref.domain}/${ref.path}`;

/** `docker.io/library/busybox:latest` */
export const canonical = (ref: Reference): string => nameOf(ref) + suffix(ref);

/** `busybox` */
export function familiarName(ref: Reference): string {
  if (ref.domain !== DEFAULT_DOMAIN) return nameOf(ref);
  const short = ref.path.startsWith(OFFICIAL) ? ref.path.slice(OFFICIAL.length) : ref.path;
  // `library/a/b` is not `a/b`.
  return short.includes("/") ? ref.path : short;
}

/** `busybox:latest` */
export const familiar = (ref: Reference): string => familiarName(ref) + suffix(ref);

const suffix = ({ tag, digest }: Reference): string =>
  (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);

export const isNameOnly = (ref: Reference): boolean => ref.tag === undefined && ref.digest === undefined;

/** With `latest` where neither tag nor digest was given. */
export const tagged = (ref: Reference): Reference => (isNameOnly(ref) ? { ...ref, tag: "latest" } : ref);

/** @throws InvalidReference */
export function withTag(ref: Reference, tag: string): Reference {
  if (!TAG.test(tag)) throw new InvalidReference("invalid tag format");
  return { ...ref, tag };
}

export const withDigest = ({ domain, path }: Reference, digest: string): Reference => ({
  domain,
  path,
  digest,
});

/** What a person typed where an id may be: a whole digest or hexadecimal id, or a reference. @throws InvalidReference */
export function parseAny(value: string): { digest: string } | { reference: Reference } {
  if (/^[a-f0-9]{64}$/.test(value)) return { digest: `sha256:${value}` };
  if (isDigest(value)) return { digest: value };
  return { reference: parseReference(value) };
}
