/** The headers of every answer. */
import { VERSION } from "../version.ts";
import { MAX_API_VERSION } from "./version.ts";

export const SERVER_HEADERS: Readonly<Record<string, string>> = {
  "Api-Version": MAX_API_VERSION,
  "Docker-Experimental": "false",
  Ostype: "linux",
  Server: `tsd/${VERSION} (linux)`,
};
