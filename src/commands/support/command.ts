/** What a verb is: plain data and one `run`. */
import type { ApiClient } from "../../engine/api/client.ts";
import type { Flag, ParsedFlags } from "./flags.ts";

/** How many words a verb takes; the wording of the complaint depends on it. */
export type Arity =
  | { exact: number }
  | { min: number }
  | { max: number }
  | { range: [number, number] }
  | null;

export interface Context {
  /** `tsd`, or `docker` when called by that name. */
  readonly program: string;
  /** The words that led here: `container ls`. */
  readonly path: string;
  readonly args: string[];
  readonly flags: ParsedFlags;
  /** Connects to the daemon on first use. */
  client(): Promise<ApiClient>;
  readonly global: GlobalOptions;
}

export interface GlobalOptions {
  config?: string;
  context?: string;
  hosts: string[];
  debug: boolean;
  logLevel: string;
  tls: boolean;
  tlsVerify?: boolean;
  tlsCaCert?: string;
  tlsCert?: string;
  tlsKey?: string;
}

export interface Command {
  /** What follows the command's name on its usage line; several lines for several forms. */
  readonly use: string | readonly string[];
  readonly short: string;
  readonly long?: string;
  readonly aliases?: readonly string[];
  readonly arity?: Arity;
  readonly flags: readonly Flag[];
  /** False where the words after the first one belong to a program in a container. */
  readonly interspersed?: boolean;
  run(context: Context): Promise<number | undefined> | number | undefined | Promise<void> | void;
}
