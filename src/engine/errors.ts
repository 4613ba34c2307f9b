/**
 * The one error that services throw. Its kind decides the HTTP status (the table is in `api/`), its message is
 * what a client shows, in Docker's words.
 */
export type ErrorKind =
  | "invalid" // 400
  | "unauthorized" // 401
  | "forbidden" // 403
  | "notFound" // 404
  | "conflict" // 409
  | "notModified" // 304
  | "unavailable" // 503
  | "notImplemented" // 501
  | "cancelled" // 499 has no place in Docker's API: 500
  | "internal"; // 500

export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}
