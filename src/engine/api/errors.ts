/** How errors leave: one table from kinds to HTTP statuses, and Docker's `{"message": …}`. */
import { EngineError, type ErrorKind } from "../errors.ts";
import { reasonOf } from "../reason.ts";
import { compareVersions, MIN_API_VERSION } from "./version.ts";

const STATUS: Record<ErrorKind, number> = {
  notModified: 304,
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  cancelled: 500,
  internal: 500,
  notImplemented: 501,
  unavailable: 503,
};

export function statusOf(error: unknown): number {
  return error instanceof EngineError ? STATUS[error.kind] : 500;
}

/** `version` as the client named it: those before 1.24 get plain text, which they show as it is. */
export function errorResponse(error: unknown, version?: string): Response {
  const status = statusOf(error);
  if (status === 304) return new Response(null, { status });
  if (version !== undefined && compareVersions(version, MIN_API_VERSION) < 0) {
    return new Response(`${reasonOf(error)}\n`, {
      status,
      headers: { "content-type": "text/plain; charset=utf-8" },
    });
  }
  return new Response(`${JSON.stringify({ message: reasonOf(error) })}\n`, {
    status,
    headers: { "content-type": "application/json" },
  });
}
