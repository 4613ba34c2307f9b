/** What a container is doing, and how that is said. */

export type Status = "created" | "running" | "paused" | "removing" | "exited" | "dead";

/** Go's zero time, which the API shows for "never". */
export const NEVER = "0001-01-01T00:00:00Z";

export interface ContainerState {
  status: "created" | "running" | "paused" | "exited" | "dead";
  /** In the host's pid namespace; 0 when it does not run. */
  pid: number;
  exitCode: number;
  error: string;
  oomKilled: boolean;
  /** RFC 3339 with nanoseconds, in UTC; {@link NEVER} before the first. */
  startedAt: string;
  finishedAt: string;
  /** Boot id of the host when it was started: pids mean nothing after another boot. */
  bootId: string;
  /** Folders of cgroups, the deepest first, that are to go with its own; see `cgroup-parents.ts`. */
  cgroupParents?: string[];
}

export const NEW_STATE: ContainerState = {
  status: "created",
  pid: 0,
  exitCode: 0,
  error: "",
  oomKilled: false,
  startedAt: NEVER,
  finishedAt: NEVER,
  bootId: "",
};

export const isRunning = (state: ContainerState): boolean =>
  state.status === "running" || state.status === "paused";

/** Nanoseconds since the epoch (a decimal string) as RFC 3339, without trailing zeros, as Go's RFC3339Nano. */
export function timeOf(nanoseconds: string | bigint): string {
  const ns = BigInt(nanoseconds);
  const seconds = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = (ns % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "");
  return fraction === "" ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}

export const milliseconds = (time: string): number => Date.parse(time);

/** Go's units.HumanDuration. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(seconds / 3600 / 24 / 365)} years`;
}

/** The STATUS column of `docker ps`. */
export function statusText(state: ContainerState, removing: boolean, at = Date.now()): string {
  if (isRunning(state)) {
    const up = `Up ${humanDuration(at - milliseconds(state.startedAt))}`;
    return state.status === "paused" ? `${up} (Paused)` : up;
  }
  if (removing) return "Removal In Progress";
  if (state.status === "dead") return "Dead";
  if (state.startedAt === NEVER) return "Created";
  if (state.finishedAt === NEVER) return "";
  return `Exited (${state.exitCode}) ${humanDuration(at - milliseconds(state.finishedAt))} ago`;
}

/** The word in State.Status. */
export function statusWord(state: ContainerState, removing: boolean): Status {
  if (isRunning(state)) return state.status;
  return removing ? "removing" : state.status;
}
