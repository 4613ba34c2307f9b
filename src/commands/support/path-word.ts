/** A name as it goes into a request's path. Slashes stay: image names have them. */
import { Failure } from "./failure.ts";

export function pathWord(name: string): string {
  if (name.trim() === "") throw new Failure("invalid container name or ID: value is empty");
  return encodeURIComponent(name.trim()).replace(/%2F/g, "/").replace(/%3A/g, ":").replace(/%40/g, "@");
}
