/** `--gpus all`, `--gpus 2`, `--gpus '"device=0,1"'`: a request for devices. */
import { parseCsv } from "./csv.ts";

export interface DeviceRequest {
  Driver: string;
  Count: number;
  DeviceIDs: string[] | null;
  Capabilities: string[][];
  Options: Record<string, string>;
}

function count(text: string): number {
  if (text === "all") return -1;
  if (!/^[+-]?\d+$/.test(text))
    throw new Error(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
  return Number(text);
}

export function parseGpus(word: string): DeviceRequest {
  const request: DeviceRequest = { Driver: "", Count: 0, DeviceIDs: null, Capabilities: [], Options: {} };
  const seen = new Set<string>();
  for (const field of parseCsv(word)) {
    const at = field.indexOf("=");
    const key = at < 0 ? "count" : field.slice(0, at);
    const value = at < 0 ? field : field.slice(at + 1);
    if (seen.has(key)) throw new Error(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    if (key === "count") request.Count = count(value);
    else if (key === "driver") request.Driver = value;
    else if (key === "device") request.DeviceIDs = value.split(",");
    else if (key === "capabilities") request.Capabilities = [[...value.split(","), "gpu"]];
    else if (key === "options")
      request.Options = Object.fromEntries(
        parseCsv(value).map((option) => option.split("=", 2) as [string, string]),
      );
    else throw new Error(`unexpected key '${key}' in '${field}'`);
  }
  if (!seen.has("count") && request.DeviceIDs === null) request.Count = 1;
  if (request.Capabilities.length === 0) request.Capabilities = [["gpu"]];
  return request;
}
