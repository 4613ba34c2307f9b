/**
 * The table of personalities: which names mean which program. Pure data and one look-up, on every fast path.
 * @source design.md, section 2
 */

/** A personality's entry: gets the words after its name; sets `process.exitCode` or ends the process itself. */
export type Entry = (args: string[]) => Promise<void> | void;

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
  /** False: it says so and exits 1, and `tsd install` makes no link for it. */
  readonly ready: boolean;
  readonly load: () => Promise<Entry>;
}

const missing = (name: string) => async (): Promise<Entry> => () => {
  console.error(`${name}: this personality is not part of this build yet`);
  process.exit(1);
};

export const PERSONALITIES: Record<PersonalityName, Personality> = {
  tsd: { dropIns: ["docker"], ready: true, load: async () => (await import("./tsd.ts")).main },
  daemon: {
    dropIns: ["dockerd"],
    ready: true,
    load: async () => (await import("./daemon.ts")).main,
  },
  "ts-shim": {
    dropIns: ["containerd-shim"],
    ready: true,
    load: async () => (await import("./shim.ts")).main,
  },
  tsrunc: { dropIns: ["runc"], ready: true, load: async () => (await import("./tsrunc.ts")).main },
  "ts-init": {
    dropIns: ["docker-init"],
    ready: true,
    load: async () => (await import("./init.ts")).main,
  },
  "ts-proxy": {
    dropIns: ["docker-proxy"],
    ready: true,
    load: async () => (await import("./proxy.ts")).main,
  },
  "ts-registry": { dropIns: [], ready: false, load: missing("ts-registry") },
  "ts-ctr": { dropIns: ["ctr"], ready: false, load: missing("ts-ctr") },
  // The engine's own helper for one layer: never called by hand, so it gets no link.
  "ts-unpack": {
    dropIns: [],
    ready: false,
    load: async () => (await import("../engine/image/unpack-worker.ts")).main,
  },
  // And for one look into a container.
  "ts-copy": {
    dropIns: [],
    ready: false,
    load: async () => (await import("../engine/container/copy-worker.ts")).main,
  },
  unknown: {
    dropIns: [],
    ready: false,
    load: async () => () => {
      const names = Object.entries(PERSONALITIES).flatMap(([name, { ready }]) => (ready ? [name] : []));
      console.error(`${process.argv0}: not a name of tsd's; those are ${names.join(", ")}`);
      process.exit(1);
    },
  },
};

/** Resolves `argv[0]` and, for the command line itself, its first word. */
export function personalityOf(
  argv0: string,
  word: string | undefined,
): { name: PersonalityName; longForm: boolean } {
  const base = argv0.slice(argv0.lastIndexOf("/") + 1);
  for (const [name, { dropIns }] of Object.entries(PERSONALITIES) as [PersonalityName, Personality][]) {
    if (name === "tsd") continue;
    if (base === name || dropIns.includes(base)) return { name, longForm: false };
  }
  // A file that was renamed is tsd itself; a name of our kind that is none of ours is a mistake, and told.
  if (base.startsWith("ts-")) return { name: "unknown", longForm: false };
  if (word !== undefined && word !== "tsd" && word !== "unknown" && Object.hasOwn(PERSONALITIES, word)) {
    return { name: word as PersonalityName, longForm: true };
  }
  return { name: "tsd", longForm: false };
}
