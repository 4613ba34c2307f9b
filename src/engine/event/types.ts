/** What happened to what. @source Engine API, operation SystemEvents. */
export type EventType =
  | "builder"
  | "config"
  | "container"
  | "daemon"
  | "image"
  | "network"
  | "node"
  | "plugin"
  | "secret"
  | "service"
  | "volume";

export interface Actor {
  ID: string;
  Attributes: Record<string, string>;
}

/** What a service reports; the bus adds scope and time. */
export interface Happening {
  Type: EventType;
  /** `start`, `exec_create: sh -c true`, … */
  Action: string;
  Actor: Actor;
}

export interface EngineEvent extends Happening {
  scope: "local";
  /** Nanoseconds since the epoch. */
  timeNano: bigint;
}
