/** What `stop` and `restart` say of how a container is stopped. */
import { type Flag, int, type ParsedFlags, string } from "./flags.ts";

export const STOP_FLAGS: Flag[] = [
  string("signal", "s", "Signal to send to the container"),
  int("timeout", "t", "Seconds to wait before killing the container"),
  int("time", undefined, "Seconds to wait before killing the container", {
    deprecated: "use --timeout instead",
  }),
];

/** The API's `signal` and `t` (seconds), as far as they were given. */
export function stopQuery(flags: ParsedFlags) {
  const t = flags.has("timeout")
    ? flags.number("timeout")
    : flags.has("time")
      ? flags.number("time")
      : undefined;
  return { signal: flags.string("signal"), ...(t === undefined ? {} : { t: String(t) }) };
}
