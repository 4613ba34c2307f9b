/**
 * The head of a request. Strict, since what two readers of one stream understand differently lets a request be
 * smuggled past the first.
 * @source RFC 9112, sections 2 to 6
 */

/** Go's default. */
const MAX_HEAD = 1024 * 1024;
/** Clients send ten or twenty. Each new name is compared with all before it. */
const MAX_FIELDS = 500;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** How long the body is; `chunked` says so itself. */
export type BodyLength = number | "chunked";

export interface RequestHead {
  readonly method: string;
  /** A path with its query, or a whole URL. */
  readonly target: string;
  readonly headers: Headers;
  readonly length: BodyLength;
  /** The connection may carry another request. */
  readonly keepAlive: boolean;
  /** False for HTTP/1.0, which knows no chunks. */
  readonly chunks: boolean;
  /** It offers to go on with another protocol. */
  readonly upgrade: boolean;
  /** The body comes only when it is asked for. */
  readonly expectsContinue: boolean;
}

/** A request that is none: answered, then the connection ends. */
export class BadRequest extends Error {
  readonly status: number;
  /** What the client is told beside the status: of some mistakes, Go's server says which. */
  readonly told: string;

  constructor(status: number, message: string, told = "") {
    super(message);
    this.status = status;
    this.told = told;
  }
}

const told = (status: number, message: string): BadRequest => new BadRequest(status, message, message);

/**
 * Reads the head that the bytes begin with. Its lines end with CR LF or, as Go's server takes them too, with LF alone, and
 * all of them alike: what one that knows CR LF alone has passed on as a part of some field is never a line.
 * @param searched how many of these bytes it has been given before, without finding the head's end among them
 * @returns how many bytes it took; undefined when more are needed
 * @throws BadRequest
 */
export function readHead(bytes: Buffer, searched = 0): { head: RequestHead; size: number } | undefined {
  let start = 0;
  // Empty lines before a request are those of a client that counted its last body wrong.
  for (;;) {
    if (bytes[start] === LINE_FEED) start++;
    else if (bytes[start] === CARRIAGE_RETURN && bytes[start + 1] === LINE_FEED) start += 2;
    else break;
  }
  const from = Math.max(start, searched - 3);
  const bare = bytes[bytes.indexOf(LINE_FEED, start) - 1] !== CARRIAGE_RETURN;
  const lineEnd = bare ? "\n" : "\r\n";
  const end = bytes.indexOf(lineEnd + lineEnd, from, "latin1");
  if (end < 0 || end - start > MAX_HEAD) {
    if (bytes.length - start > MAX_HEAD) throw new BadRequest(431, "the request's head is too long");
    for (const other of ["\n\n", "\n\r\n"])
      if (bytes.indexOf(other, from, "latin1") >= 0) throw new BadRequest(400, "lines do not end alike");
    return undefined;
  }
  const [first, ...lines] = bytes.toString("latin1", start, end).split(lineEnd) as [string, ...string[]];
  return { head: parseHead(first, lines), size: end + 2 * lineEnd.length };
}

/** Of another one `Request` would make a GET. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]);
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/;
/** A path, or a whole URL. */
const TARGET = /^(?:\/|https?:\/\/[^/?#@]+(?:[/?]|$))/i;
const INVALID_NAME = /^[^:]*[^!#$%&'*+.^_`|~0-9A-Za-z:-]/;
/** What may stand in a host, of any kind. @source Go, golang.org/x/net/http/httpguts */
const HOST = /^[!$%&'()*+,.:;=[\]_~0-9A-Za-z-]*$/;
/** `Headers` trims the value: two ways to match one blank would be tried in all combinations. */
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/;

function parseHead(first: string, lines: readonly string[]): RequestHead {
  const request = REQUEST_LINE.exec(first);
  if (!request) throw new BadRequest(400, "malformed request line");
  const [, method, target, major, minor] = request as unknown as [string, string, string, string, string];
  if (major !== "1") throw told(505, "unsupported protocol version");
  if (!METHODS.has(method)) throw new BadRequest(501, "unknown method");
  if (!TARGET.test(target)) throw new BadRequest(400, "malformed request target");
  if (lines.length > MAX_FIELDS) throw new BadRequest(431, "too many header fields");
  const headers = new Headers();
  let hosts = 0;
  for (const line of lines) {
    const field = FIELD.exec(line);
    if (!field) throw malformed(line);
    if (field[1]!.length === 4 && field[1]!.toLowerCase() === "host") hosts++;
    headers.append(field[1]!, field[2]!);
  }
  const chunks = minor !== "0";
  // Who is between us may have gone by the other one.
  if (hosts > 1) throw new BadRequest(400, "too many Host headers");
  if (chunks && hosts === 0) throw told(400, "missing required Host header");
  if (!HOST.test(headers.get("host") ?? "")) throw told(400, "malformed Host header");
  const options = tokens(headers.get("connection"));
  const expected = headers.get("expect")?.toLowerCase();
  if (expected !== undefined && expected !== "100-continue") throw new BadRequest(417, "unknown expectation");
  // It does not know them, and who is between us would take the body for a request.
  if (!chunks && headers.has("transfer-encoding")) throw new BadRequest(400, "chunks in HTTP/1.0");
  return {
    method,
    target,
    headers,
    length: bodyLength(headers),
    keepAlive: !options.includes("close") && (chunks || options.includes("keep-alive")),
    chunks,
    upgrade: options.includes("upgrade") && headers.has("upgrade"),
    expectsContinue: chunks && expected !== undefined,
  };
}

function malformed(line: string): BadRequest {
  // Without a colon, or continuing the field before: no field at all.
  if (/^[\t ]|^[^:]*$/.test(line)) return new BadRequest(400, "malformed header field");
  return told(400, INVALID_NAME.test(line) ? "invalid header name" : "invalid header value");
}

const tokens = (list: string | null): string[] =>
  list === null ? [] : list.split(",").map((token) => token.trim().toLowerCase());

function bodyLength(headers: Headers): BodyLength {
  const coding = headers.get("transfer-encoding");
  const length = headers.get("content-length");
  if (coding !== null) {
    if (length !== null) throw new BadRequest(400, "both a length and a transfer encoding");
    if (coding.toLowerCase() !== "chunked") throw new BadRequest(501, "unsupported transfer encoding");
    return "chunked";
  }
  if (length === null) return 0;
  // Repeated, it would read "5, 5": nobody who means well does that.
  if (!/^\d{1,15}$/.test(length)) throw new BadRequest(400, "bad Content-Length");
  return Number(length);
}
