/** The platform parameter in its JSON form, `{"os":"linux","architecture":"arm64"}`, which newer calls take. */
import { EngineError } from "../errors.ts";
import { decodeJson } from "../json/decode.ts";
import { reasonOf } from "../reason.ts";
import { platformRequest } from "./json/requests.ts";

/** As `os/architecture[/variant]`. @throws EngineError invalid, in Docker's words */
export function decodePlatform(text: string): string {
  let platform: { os?: string; architecture?: string; variant?: string };
  try {
    platform = decodeJson(text, platformRequest);
  } catch (error) {
    throw new EngineError(
      "invalid",
      `failed to parse platform: ${reasonOf(error).replace(/^invalid JSON: /, "")}`,
    );
  }
  const { os, architecture, variant } = platform;
  if (!os && !architecture && variant) {
    throw new EngineError(
      "invalid",
      "optional platform fields provided, but OS and Architecture are missing",
    );
  }
  if (!os || !architecture) throw new EngineError("invalid", "both OS and Architecture must be provided");
  return [os, architecture, ...(variant ? [variant] : [])].join("/");
}
