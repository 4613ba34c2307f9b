/** One command run in a container besides its own. */
export interface Exec {
  readonly id: string;
  readonly container: string;
  readonly command: string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly privileged: boolean;
  /** As given at create or, without, as the container's. */
  readonly user: string;
  readonly workingDir: string;
  readonly env: string[];
  readonly detachKeys: string;
  readonly consoleSize?: [height: number, width: number];
  running: boolean;
  /** A client has its streams. */
  attached?: boolean;
  /** Its client's streams broke off while it ran: what the client knows of it is not all. */
  cut?: boolean;
  exitCode: number | null;
  /** In the host's pid namespace; kept after the end, as Docker does. */
  pid: number;
  /** Milliseconds since the epoch when it ended. */
  endedAt?: number;
}
