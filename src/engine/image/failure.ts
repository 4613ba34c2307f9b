/** Turns what went wrong on the way to a registry into the error that a docker client shows. */
import { RegistryError } from "../../registry/client/errors.ts";
import {
  canonical,
  familiar,
  familiarName,
  InvalidReference,
  type Reference,
} from "../../registry/client/reference.ts";
import { EngineError } from "../errors.ts";

export function pullFailure(error: unknown, reference: Reference): unknown {
  if (!(error instanceof RegistryError)) return error;
  const options = { cause: error };
  switch (error.kind) {
    case "notFound":
      return new EngineError(
        "notFound",
        `manifest for ${familiar(reference)} not found: ${error.message}`,
        options,
      );
    case "unauthorized":
      if (error.message === "no basic auth credentials" || error.message.includes("incorrect username")) {
        return new EngineError(
          "internal",
          `failed to resolve reference "${canonical(reference)}": ${error.message}`,
          options,
        );
      }
      return denied(reference, error);
    case "denied":
      return denied(reference, error);
    case "cancelled":
      return new EngineError("cancelled", "context canceled", options);
    case "unavailable":
    case "invalid":
      return new EngineError("internal", error.message, options);
  }
}

/** Of a login: what the registry says is for the user to read. */
export function loginFailure(error: unknown): unknown {
  if (!(error instanceof RegistryError)) return error;
  const kind = error.kind === "unauthorized" ? "unauthorized" : "internal";
  return new EngineError(kind, error.message, { cause: error });
}

const denied = (reference: Reference, error: RegistryError): EngineError =>
  new EngineError(
    "notFound",
    `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login': ${error.message}`,
    { cause: error },
  );

/** Runs `parse`; a bad reference is the client's mistake. */
export function orInvalid<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof InvalidReference) throw new EngineError("invalid", error.message, { cause: error });
    throw error;
  }
}
