/**
 * The table of personalities: which names there are, and which of other people's mean the same. Pure data and one look-up,
 * on every fast path; `programs.ts` has what they load.
 * @source design.md, section 2
 */

export type PersonalityName =
  | "tsd"
  | "daemon"
  | "ts-shim"
  | "tsrunc"
  | "ts-init"
  | "ts-proxy"
  | "ts-registry"
  | "ts-ctr"
  | "ts-unpack"
  | "ts-copy"
  | "unknown";

export interface Personality {
  /** Other people's names for it, made by `tsd install --drop-in`. */
  readonly dropIns: readonly string[];
  /** False: it is not there yet, or never called by hand: `tsd install` makes no link for it. */
  readonly ready: boolean;
}

export const PERSONALITIES: Record<PersonalityName, Personality> = {
  tsd: { dropIns: ["docker"], ready: true },
  daemon: { dropIns: ["dockerd"], ready: true },
  "ts-shim": { dropIns: ["containerd-shim"], ready: true },
  tsrunc: { dropIns: ["runc"], ready: true },
  "ts-init": { dropIns: ["docker-init"], ready: true },
  "ts-proxy": { dropIns: ["docker-proxy"], ready: true },
  "ts-registry": { dropIns: [], ready: false },
  "ts-ctr": { dropIns: ["ctr"], ready: false },
  // The engine's own, for one layer and for one look into a container.
  "ts-unpack": { dropIns: [], ready: false },
  "ts-copy": { dropIns: [], ready: false },
  unknown: { dropIns: [], ready: false },
};

/** Resolves `argv[0]` and, for the command line itself, its first word. */
export function personalityOf(
  argv0: string,
  word: string | undefined,
): { name: PersonalityName; longForm: boolean } {
  const base = argv0.slice(argv0.lastIndexOf("/") + 1);
  for (const known in PERSONALITIES) {
    const name = known as PersonalityName;
    if (name === "tsd") continue;
    if (base === name || PERSONALITIES[name].dropIns.includes(base)) return { name, longForm: false };
  }
  // A file that was renamed is tsd itself; a name of our kind that is none of ours is a mistake, and told.
  if (base.startsWith("ts-")) return { name: "unknown", longForm: false };
  if (word !== undefined && word !== "tsd" && word !== "unknown" && Object.hasOwn(PERSONALITIES, word)) {
    return { name: word as PersonalityName, longForm: true };
  }
  return { name: "tsd", longForm: false };
}
