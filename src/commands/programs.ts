/** What each personality loads: nothing else of it is imported before. */
import { PERSONALITIES, type PersonalityName } from "./personality.ts";

/** A personality's entry: gets the words after its name; sets `process.exitCode` or ends the process itself. */
export type Entry = (args: string[]) => Promise<void> | void;

const missing = (name: PersonalityName) => async (): Promise<Entry> => async () => {
  (await import("../ffi/host.ts")).complain(`${name}: this personality is not part of this build yet`);
  process.exit(1);
};

const unknown: Entry = async () => {
  const names = Object.entries(PERSONALITIES).flatMap(([name, { ready }]) => (ready ? [name] : []));
  (await import("../ffi/host.ts")).complain(
    `${process.argv0}: not a name of tsd's; those are ${names.join(", ")}`,
  );
  process.exit(1);
};

const asksVersion = (args: readonly string[]): boolean =>
  args.length === 1 && (args[0] === "--version" || args[0] === "-v");

export const PROGRAMS: Record<PersonalityName, (args: readonly string[]) => Promise<Entry>> = {
  tsd: async (args) =>
    (asksVersion(args) ? await import("./version-line.ts") : await import("./tsd.ts")).main,
  daemon: async () => (await import("./daemon.ts")).main,
  "ts-shim": async () => (await import("./shim.ts")).main,
  tsrunc: async () => (await import("./tsrunc.ts")).main,
  "ts-init": async () => (await import("./init.ts")).main,
  "ts-proxy": async () => (await import("./proxy.ts")).main,
  "ts-registry": missing("ts-registry"),
  "ts-ctr": missing("ts-ctr"),
  "ts-unpack": async () => (await import("../engine/image/unpack-worker.ts")).main,
  "ts-copy": async () => (await import("../engine/container/copy-worker.ts")).main,
  unknown: async () => unknown,
};
