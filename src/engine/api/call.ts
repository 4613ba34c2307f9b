/** One API request as a route sees it, and the ways to answer it. */
import { EngineError } from "../errors.ts";
import { type DecodedJson, decodeJson } from "../json/decode.ts";
import type { Schema } from "../json/schema.ts";
import type { ByteStream, Engine } from "../services.ts";
import type { Query } from "./query.ts";
import { compareVersions } from "./version.ts";

export type Handler = (call: Call, engine: Engine) => Response | Promise<Response>;

export interface Route {
  method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** Without the version; `:name` is a whole segment. */
  path: string;
  handler: Handler;
}

/** Bodies that are decoded as a whole are small; what is larger is not a request of ours. */
const MAX_JSON = 16 * 1024 * 1024;

export class Call {
  /** The version that the client speaks, negotiated. */
  readonly version: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly headers: Headers;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** Creates that came before. */
  readonly creates: DecodedJson | undefined;
  readonly #request: Request;

  constructor(
    request: Request,
    version: string,
    params: Readonly<Record<string, string>>,
    query: Query,
    creates?: DecodedJson,
  ) {
    this.creates = creates;
    this.#request = request;
    this.version = version;
    this.params = params;
    this.query = query;
    this.headers = request.headers;
    this.signal = request.signal;
  }

  /** True when the client speaks an older version than `version`. */
  before(version: string): boolean {
    return compareVersions(this.version, version) < 0;
  }

  /** What the path names: a container, an image, … */
  get name(): string {
    return this.params.name ?? "";
  }

  get body(): ReadableStream<Uint8Array> {
    return this.#request.body ?? new ReadableStream({ start: (controller) => controller.close() });
  }

  get hasBody(): boolean {
    // To be asked for its body, a request makes a stream of it.
    return this.#length > 0 || (this.#length < 0 && this.#request.body !== null);
  }

  /** Of the body, in bytes; -1 when that is not known. */
  get #length(): number {
    return Number(this.headers.get("content-length") ?? -1);
  }

  /**
   * The decoded body; `{}` when there is none and `required` is not set. `known`: what was decoded by the same schema.
   * @throws EngineError invalid for another content type, bad JSON or wrong types, in Docker's words
   */
  async json<T extends object>(
    schema: Schema,
    options: { required?: boolean; known?: DecodedJson } = {},
  ): Promise<T> {
    const type = this.headers.get("content-type");
    if (type !== null || this.hasBody) checkContentType(type ?? "");
    if (!this.hasBody && !options.required) return {} as T;
    const text = await this.text();
    const { known } = options;
    return (known ? known.decode<T | null>(text) : decodeJson<T | null>(text, schema)) ?? ({} as T);
  }

  /** The whole body as text. */
  async text(): Promise<string> {
    try {
      return (await this.#bytes()).toString();
    } catch (cause) {
      throw new EngineError("invalid", `invalid JSON: ${(cause as Error).message}`, { cause });
    }
  }

  async #bytes(): Promise<Buffer> {
    const tooLarge = (): Error => new Error("http: request body too large");
    if (this.#length > MAX_JSON) throw tooLarge();
    if (this.#length >= 0) return Buffer.from(await this.#request.arrayBuffer());
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.body) {
      size += chunk.length;
      if (size > MAX_JSON) throw tooLarge();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }
}

function checkContentType(type: string): void {
  const media = type.split(";", 1)[0]!.trim().toLowerCase();
  if (media === "application/json") return;
  if (media === "") throw new EngineError("invalid", "malformed Content-Type header (): mime: no media type");
  throw new EngineError("invalid", `unsupported Content-Type header (${type}): must be 'application/json'`);
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}

export function empty(status: 200 | 201 | 204): Response {
  return new Response(null, { status });
}

/** What the server sends for these, without the detour over a `Response`'s own stream. */
const streams = new WeakMap<Response, ByteStream>();

/** Headers go out at once, bytes as they come; the client's going away ends the iteration. */
export function streaming(content: ByteStream, headers: Record<string, string>): Response {
  const response = new Response(null, { status: 200, headers });
  streams.set(response, content);
  return response;
}

/** Undefined for an answer that is complete in itself. */
export function streamOf(response: Response): ByteStream | undefined {
  return streams.get(response);
}
