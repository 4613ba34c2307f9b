/**
 * The protocol between daemon and shim, on the unix socket `shim.sock` in the exec root (0600 in a 0700 folder:
 * root's alone). It only ever grows: a shim ignores members and refuses methods that it does not know, and a client
 * does the same with events.
 *
 * **Control connection.** JSON objects, one a line, both ways. The client opens with a {@link Hello} and gets the
 * shim's. Then it sends {@link Request}s, each answered by one {@link Response} of the same `id`, in any order; the shim
 * sends {@link Notice}s to every control connection. A client that finds a shim of another build asks it to
 * `handOver`: the shim answers, leaves all to the keepers, removes its socket and ends; the client starts its own.
 *
 * **Attach connection.** The client opens with one line, an {@link AttachHello}. The shim answers with one
 * line, {@link AttachAnswer}, and then the connection is the raw stream of `ShimClient.attach`. Its end looks like the
 * shim's own: before it ends one that has a key, the shim says `finished` on every control connection.
 *
 * A launch's specification is the last of its members, after the attempt: so the shim can leave it unparsed.
 *
 * What was prepared for a launch is dropped when no control connection is left: it is for the daemon that asked, which
 * does not know of it when it comes anew.
 *
 * A process that ended is told (`exit`) and listed until `release`; a `launch` of an id that runs already, or of the
 * same attempt, answers with what was launched: so a client whose shim died may simply ask again.
 */
import type { ErrorKind } from "../errors.ts";
import type { EndpointNames, HeldPort, SandboxNames } from "../network/types.ts";
import type { Spec } from "../runtime/spec.ts";
import type {
  AttachOptions,
  ExecLaunchRequest,
  Exit,
  Launched,
  LaunchRequest,
  PrepareRequest,
  Supervised,
} from "./types.ts";

export const PROTOCOL_VERSION = 1;

export interface Hello {
  hello: {
    protocol: number;
    build: string;
    pid: number;
    /** The shim's: a service manager starts another when it ends, so the client need not, at once. */
    stays?: boolean;
    /** The client's: keys of the attach connections that it will come back for. */
    streams?: string[];
  };
}

export interface AttachHello {
  attach: {
    id: string;
    options: AttachOptions;
    io: "pipes" | "pty";
    /** 32 hex digits of the client's: by this it can go on with the stream at this shim's successor. */
    key?: string;
    /** It does so, and has received so many bytes. */
    received?: number;
  };
}

export interface AttachAnswer {
  ok?: true;
  /** A successor can go on with it. */
  rejoins?: boolean;
  /** To one that came back: how many bytes of its input were taken. */
  input?: number;
  error?: string;
}

/** A launch that is asked for again, since its answer was lost, is told by this from a new one of the same id. */
export interface Attempt {
  attempt?: string;
}

/** Method → its parameters and its result. */
export interface Methods {
  launch: [LaunchRequest & Attempt, Launched];
  prepare: [PrepareRequest, null];
  launchPrepared: [{ id: string; attempt: string }, Launched];
  drop: [{ id: string }, null];
  exec: [ExecLaunchRequest & Attempt, Launched];
  signal: [{ id: string; signal: number; all: boolean }, null];
  resize: [{ id: string; cols: number; rows: number }, null];
  pause: [{ id: string }, null];
  unpause: [{ id: string }, null];
  list: [Record<string, never>, Supervised[]];
  release: [{ id: string }, null];
  handOver: [Record<string, never>, null];
  putNames: [{ sandboxes?: SandboxNames[]; endpoints?: EndpointNames[] }, null];
  removeNames: [{ sandboxes?: string[]; endpoints?: string[] }, null];
  syncNames: [{ sandboxes: SandboxNames[]; endpoints: EndpointNames[] }, null];
  holdPorts: [{ endpoint: string; ports: HeldPort[] }, null];
  heldPorts: [Record<string, never>, string[]];
}
export type Method = keyof Methods;

export interface Request<M extends Method = Method> {
  id: number;
  method: M;
  params: Methods[M][0];
}

/** JSON that is parsed when somebody asks for what it says. */
export class JsonText<T> {
  readonly text: string;
  #value: T | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** Throws a `SyntaxError`. */
  get value(): T {
    this.#value ??= JSON.parse(this.text) as T;
    return this.#value;
  }
}

/** A launch as the shim gets it: nine tenths are its specification. */
export type ReceivedLaunch = Omit<LaunchRequest, "spec"> & Attempt & { spec: JsonText<Spec> };

/** A request's parameters, as the shim gets them. */
export type Received<M extends Method> = Methods[M][0] extends LaunchRequest ? ReceivedLaunch : Methods[M][0];

const SPEC = ',"spec":';

/** One line. A specification comes last, where `readRequest` can leave it as it is. */
export function writeRequest({ id, method, params }: Request): string {
  if (!("spec" in params)) return `${JSON.stringify({ id, method, params })}\n`;
  const { spec, ...rest } = params;
  return `${JSON.stringify({ id, method, params: { ...rest, spec } })}\n`;
}

/** Throws a `SyntaxError`. */
export function readRequest(line: string): { id: number; method: Method; params: Received<Method> } {
  const at = line.indexOf(SPEC);
  const head = at < 0 ? undefined : parsed(`${line.slice(0, at)}}}`);
  // An older client has it among the others, before the attempt.
  if (head?.params.attempt !== undefined && line.endsWith("}}")) {
    head.params.spec = new JsonText(line.slice(at + SPEC.length, -2));
    return head;
  }
  const request = JSON.parse(line);
  if (request.params?.spec !== undefined)
    request.params.spec = new JsonText(JSON.stringify(request.params.spec));
  return request;
}

function parsed(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An `EngineError`, and the exit status that a failed start has for the docker client. */
export interface WireError {
  kind: ErrorKind;
  message: string;
  code?: number;
}

export type Response = { id: number; result: unknown } | { id: number; error: WireError };

export type Notice =
  | { event: "exit"; exit: Exit }
  | { event: "oom"; id: string; time: string }
  | { event: "finished"; key: string }
  | { event: "warning"; message: string };

/** Cuts a byte stream into lines. */
export class LineReader {
  #parts: Buffer[] = [];

  /** The lines that are whole now, without their newlines. */
  push(bytes: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      if (this.#parts.length === 0) lines.push(bytes.toString("utf8", start, end));
      else {
        lines.push(Buffer.concat([...this.#parts, bytes.subarray(start, end)]).toString("utf8"));
        this.#parts = [];
      }
      start = end + 1;
    }
    // A copy: the buffer is its reader's again.
    if (start < bytes.length) this.#parts.push(Buffer.from(bytes.subarray(start)));
    return lines;
  }

  /** The first line alone, and what follows it; undefined until it is whole. */
  first(bytes: Buffer): { line: string; rest: Buffer } | undefined {
    const end = bytes.indexOf(10);
    if (end < 0) {
      this.#parts.push(Buffer.from(bytes));
      return undefined;
    }
    const line = Buffer.concat([...this.#parts, bytes.subarray(0, end)]).toString("utf8");
    return { line, rest: Buffer.from(bytes.subarray(end + 1)) };
  }
}
