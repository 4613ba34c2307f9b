/**
 * The client side of the Engine API: HTTP/1.1 over unix, tcp or TLS sockets, and nothing else. Its own small
 * transport, since `fetch` neither gives an upgraded connection's raw bytes nor half-closes it, and costs more to
 * start than a whole command may take.
 */
import { type Body, Connection, type Endpoint, type Head, type Upgraded } from "./client/connection.ts";

export type { Body, Endpoint, Upgraded } from "./client/connection.ts";

/**
 * The newest version whose answers the command line knows how to show: docker 28.2.2's, whose output it gives. Later
 * ones leave out fields that this output has.
 */
export const NEWEST = "1.50";
/** What a daemon speaks that does not say. */
const OLDEST = "1.24";
/** `client version 1.50 is too new. Maximum supported API version is 1.41` */
const TOO_NEW = /^client version \S+ is too new/;

/** The daemon answered, and said no. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** The daemon's own words. */
  readonly reason: string;

  constructor(status: number, reason: string) {
    super(`Error response from daemon: ${reason}`);
    this.status = status;
    this.reason = reason;
  }
}

/** The daemon could not be reached, or went away in the middle. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** What TLS may fail for, in the words that Docker's client has for it. */
const TLS_REASONS: Readonly<Record<string, string>> = {
  TLSV1_ALERT_CERTIFICATE_REQUIRED: "remote error: tls: certificate required",
  SSLV3_ALERT_BAD_CERTIFICATE: "remote error: tls: bad certificate",
  TLSV1_ALERT_UNKNOWN_CA: "remote error: tls: unknown certificate authority",
  KEY_VALUES_MISMATCH: "tls: private key does not match public key",
  WRONG_VERSION_NUMBER: "tls: first record does not look like a TLS handshake",
  UNABLE_TO_GET_ISSUER_CERT:
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  SELF_SIGNED_CERT_IN_CHAIN:
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  CERT_HAS_EXPIRED: "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
};

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** An object is sent as JSON; bytes or a stream of them as they are. */
  readonly body?: object | Uint8Array | AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Leaves the version out of the path. */
  readonly unversioned?: boolean;
}

export interface ApiResponse extends Head {
  readonly body: Body;
}

const versionNumber = (version: string): number => {
  const [major, minor] = version.split(".");
  return Number(major) * 1000 + Number(minor);
};

/** Whether one API version is older than another. */
export const olderThan = (version: string, other: string): boolean =>
  versionNumber(version) < versionNumber(other);

function queryString(query: RequestOptions["query"]): string {
  let text = "";
  for (const name in query) {
    const value = query[name];
    if (value === undefined || value === false || value === "") continue;
    text += `${text === "" ? "?" : "&"}${name}=${encodeURIComponent(value === true ? "1" : String(value))}`;
  }
  return text;
}

export class ApiClient {
  readonly endpoint: Endpoint;
  readonly #headers: string;
  readonly #idle: Connection[] = [];
  #pinned: string | undefined;
  #negotiated: Promise<string> | undefined;
  #keepsOrder = false;

  constructor(
    endpoint: Endpoint,
    options: { version?: string; headers?: Record<string, string>; userAgent: string },
  ) {
    this.endpoint = endpoint;
    this.#pinned = options.version;
    let headers = `Host: ${endpoint.unix === undefined ? `${endpoint.host}:${endpoint.port}` : "api.moby.localhost"}\r\n`;
    headers += `User-Agent: ${options.userAgent}\r\n`;
    for (const name in options.headers) headers += `${name}: ${options.headers[name]}\r\n`;
    this.#headers = headers;
  }

  /** The version both sides speak. */
  version(): Promise<string> {
    if (this.#pinned !== undefined) return Promise.resolve(this.#pinned);
    this.#negotiated ??= this.request("HEAD", "/_ping", { unversioned: true }).then(
      (answer) => {
        const theirs = answer.headers.get("api-version") ?? OLDEST;
        this.#pinned = olderThan(theirs, NEWEST) ? theirs : NEWEST;
        return this.#pinned;
      },
      // The call itself will fail in the same way, and name what was asked for.
      (error: unknown) => {
        if (error instanceof ConnectionError) return NEWEST;
        throw error;
      },
    );
    return this.#negotiated;
  }

  /** The daemon has said that it knows `ORDER_HEADER` (api/order.ts): requests that it orders need not wait for each other. */
  get keepsOrder(): boolean {
    return this.#keepsOrder;
  }

  /** Opens connections ahead of the calls that will need them. */
  async warm(count: number): Promise<void> {
    const opening: Promise<Connection>[] = [];
    while (opening.length < count) opening.push(Connection.open(this.endpoint));
    this.#idle.push(...(await Promise.all(opening)));
  }

  /** One call; an answer of 400 and above throws `ApiError`. The body must be read, or dropped. */
  request(method: string, path: string, options: RequestOptions = {}): Promise<ApiResponse> {
    // A stream can be sent only once, so its version must be known.
    const once = options.body !== undefined && Symbol.asyncIterator in options.body;
    const call = () => this.#request(method, path, options);
    if (once && !options.unversioned) return this.version().then(call);
    return this.#versioned(options, call);
  }

  /**
   * Asks a daemon whose version is not known yet in the newest one: most are of our time, and need not be asked for
   * it first. An older one refuses before it does anything.
   */
  #versioned<T>(options: RequestOptions, call: () => Promise<T>): Promise<T> {
    if (this.#pinned !== undefined || options.unversioned) return call();
    return call().catch(async (error: unknown) => {
      const refused = error instanceof ApiError && error.status === 400 && TOO_NEW.test(error.reason);
      if (!refused) throw error;
      await this.version();
      return call();
    });
  }

  async #request(method: string, path: string, options: RequestOptions): Promise<ApiResponse> {
    const target = this.#target(path, options);
    // Without an await where none is needed: the request is out before the caller goes on.
    const connection = this.#takeIdle() ?? (await this.#openFor(method, target));
    try {
      const body = options.body;
      const stream = body !== undefined && Symbol.asyncIterator in body;
      const bytes =
        body === undefined || stream ? undefined : body instanceof Uint8Array ? body : encode(body);
      let head = `${method} ${target} HTTP/1.1\r\n${this.#headers}`;
      for (const name in options.headers) head += `${name}: ${options.headers[name]}\r\n`;
      if (stream) head += "Transfer-Encoding: chunked\r\n";
      else if (bytes || method === "POST" || method === "PUT")
        head += `Content-Length: ${bytes?.length ?? 0}\r\n`;
      if (bytes && !(body instanceof Uint8Array)) head += "Content-Type: application/json\r\n";
      const answer = connection.exchange(method, `${head}\r\n`, bytes);
      // The daemon may answer, with an error, before it has read the whole stream.
      if (stream) await Promise.race([connection.sendChunks(body as AsyncIterable<Uint8Array>), answer]);
      const { head: got, body: payload } = await answer;
      payload.done.then(
        (reusable) => reusable && this.#idle.push(connection),
        () => {},
      );
      if (got.status >= 400) throw await apiError(got, payload);
      this.#keepsOrder ||= got.headers.has("tsd-order");
      return { ...got, body: payload };
    } catch (error) {
      throw this.#explain(error, method, target);
    }
  }

  /** One call with a JSON answer. */
  async json<T>(method: string, path: string, options?: RequestOptions): Promise<T> {
    const answer = await this.request(method, path, options);
    return (await answer.body.json()) as T;
  }

  /** One call whose answer is of no interest. */
  async send(method: string, path: string, options?: RequestOptions): Promise<void> {
    const answer = await this.request(method, path, options);
    await answer.body.bytes();
  }

  /** Turns a connection into the raw stream of a container's or an exec's input and output. */
  upgrade(path: string, options: RequestOptions = {}): Promise<Upgraded> {
    return this.#versioned(options, () => this.#upgrade(path, options));
  }

  async #upgrade(path: string, options: RequestOptions): Promise<Upgraded> {
    const target = this.#target(path, options);
    const connection = this.#takeIdle() ?? (await this.#openFor("POST", target));
    const bytes = options.body === undefined ? undefined : encode(options.body);
    let head = `POST ${target} HTTP/1.1\r\n${this.#headers}Connection: Upgrade\r\nUpgrade: tcp\r\n`;
    for (const name in options.headers) head += `${name}: ${options.headers[name]}\r\n`;
    if (bytes) head += "Content-Type: application/json\r\n";
    head += `Content-Length: ${bytes?.length ?? 0}\r\n\r\n`;
    try {
      const { head: got, body } = await connection.exchange("POST", head, bytes);
      if (got.status >= 400) throw await apiError(got, body);
      return connection.upgraded(got, body);
    } catch (error) {
      throw this.#explain(error, "POST", target);
    }
  }

  /** Closes every connection that is not in use, so that the process can end. */
  close(): void {
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  #target(path: string, options: RequestOptions): string {
    const query = queryString(options.query);
    return options.unversioned ? path + query : `/v${this.#pinned ?? NEWEST}${path}${query}`;
  }

  #takeIdle(): Connection | undefined {
    for (;;) {
      const idle = this.#idle.pop();
      if (!idle || idle.open) return idle;
    }
  }

  async #openFor(method: string, target: string): Promise<Connection> {
    try {
      return await Connection.open(this.endpoint);
    } catch (error) {
      throw this.#explain(error, method, target);
    }
  }

  /** Puts a failure of the transport into the words that Docker's users search for. */
  #explain(error: unknown, method: string, target: string): unknown {
    if (error instanceof ApiError || error instanceof ConnectionError) return error;
    const { code, message } = error as { code?: string; message: string };
    const { display, unix, host, port, tls } = this.endpoint;
    const verb = method[0] + method.slice(1).toLowerCase();
    const place = unix === undefined ? `${host}:${port}` : encodeURIComponent(unix);
    const what = `${verb} "${tls ? "https" : "http"}://${place}${target}"`;
    if (code === "EACCES" && unix !== undefined) {
      return new ConnectionError(
        `permission denied while trying to connect to the Docker daemon socket at ${display}: ` +
          `${what}: dial unix ${unix}: connect: permission denied`,
      );
    }
    if (
      code === "ENOENT" ||
      code === "ECONNREFUSED" ||
      code === "ENOTSOCK" ||
      code === "ETIMEDOUT" ||
      code === "ENOTDIR"
    ) {
      return new ConnectionError(
        `Cannot connect to the Docker daemon at ${display}. Is the docker daemon running?`,
      );
    }
    const reason =
      TLS_REASONS[code ?? ""] ??
      TLS_REASONS[/OPENSSL_internal:(\w+)/.exec(message)?.[1] ?? ""] ??
      (code === "ENOTFOUND" ? `dial tcp: lookup ${host}: no such host` : message.replace(/^E[A-Z]+: /, ""));
    return new ConnectionError(`error during connect: ${what}: ${reason}`);
  }
}

const encode = (body: object): Uint8Array => new TextEncoder().encode(JSON.stringify(body));

async function apiError(head: Head, body: Body): Promise<ApiError> {
  const text = await body.text();
  let reason = text.trim();
  if (head.headers.get("content-type")?.startsWith("application/json")) {
    try {
      reason = (JSON.parse(text) as { message?: string }).message ?? reason;
    } catch {
      // An answer that only claims to be JSON is shown as it is.
    }
  }
  return new ApiError(head.status, reason.trim() || `request returned ${head.status} with an empty body`);
}
