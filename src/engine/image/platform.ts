/**
 * Platforms as people write them (`linux/arm64/v8`, `amd64`) and as images carry them.
 * @source OCI image-spec, image-index.md, "platform"; containerd/platforms for the accepted spellings
 */
import { EngineError } from "../errors.ts";

export interface Platform {
  architecture: string;
  os: string;
  variant?: string;
}

const HOST_ARCHITECTURE: Partial<Record<NodeJS.Architecture, string>> = { x64: "amd64", arm64: "arm64" };

export const HOST: Platform = { os: "linux", architecture: HOST_ARCHITECTURE[process.arch] ?? process.arch };

const SYSTEMS = new Set(
  "aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris windows".split(" "),
);
const ARCHITECTURES = new Set(
  "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm".split(" "),
);
const ALIASES: Record<string, [architecture: string, variant?: string]> = {
  i386: ["386"],
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  aarch64: ["arm64"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
};

/** @throws EngineError invalid */
export function parsePlatform(text: string): Platform {
  const refuse = (why: string) => new EngineError("invalid", `${why}: invalid argument`);
  const parts = text.split("/");
  if (text === "" || parts.length > 3)
    throw refuse(`${JSON.stringify(text)}: cannot parse platform specifier`);
  for (const part of parts) {
    if (!/^[A-Za-z0-9_.-]+$/.test(part)) {
      throw refuse(
        `${JSON.stringify(part)} is an invalid component of ${JSON.stringify(text)}: ` +
          'platform specifier component must match "^[A-Za-z0-9_.-]+$"',
      );
    }
  }
  const [first, second, third] = parts.map((part) => part.toLowerCase()) as [string, string?, string?];
  if (second === undefined) {
    if (SYSTEMS.has(first)) return normalize({ ...HOST, os: first });
    if (ARCHITECTURES.has(first) || ALIASES[first]) return normalize({ os: "linux", architecture: first });
    throw refuse(`${JSON.stringify(text)}: unknown operating system or architecture`);
  }
  return normalize({ os: first, architecture: second, ...(third !== undefined && { variant: third }) });
}

export function normalize({ os, architecture, variant }: Platform): Platform {
  const [name, implied] = ALIASES[architecture] ?? [architecture];
  let version = variant || implied;
  if (name === "arm64" && (version === "8" || version === "v8")) version = undefined;
  if (name === "amd64" && version === "v1") version = undefined;
  if (name === "arm") version = version === undefined ? "v7" : version.replace(/^([5678])$/, "v$1");
  return { os, architecture: name, ...(version !== undefined && { variant: version }) };
}

export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, variant].filter(Boolean).join("/");

/**
 * How well an image's platform serves a wanted one: 0 is best, higher is worse, undefined not at all. An arm machine
 * runs what is made for its older sisters.
 */
export function rank(wanted: Platform, offered: Platform): number | undefined {
  const want = normalize(wanted);
  const offer = normalize(offered);
  if (want.os !== offer.os || want.architecture !== offer.architecture) return undefined;
  if (want.variant === offer.variant) return 0;
  if (want.architecture === "arm") {
    const behind = Number(want.variant?.slice(1)) - Number(offer.variant?.slice(1));
    return behind > 0 && offer.variant !== "v4" ? behind : undefined;
  }
  // A variant newer than the baseline (amd64/v3) may not run here.
  return offer.variant === undefined ? 1 : undefined;
}

/** The best of `offered`, or undefined. */
export function best<T>(
  wanted: Platform,
  offered: Iterable<T>,
  platformOf: (one: T) => Platform | undefined,
): T | undefined {
  let found: T | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const one of offered) {
    const platform = platformOf(one);
    const value = platform && rank(wanted, platform);
    if (value !== undefined && value < least) {
      found = one;
      least = value;
    }
  }
  return found;
}
