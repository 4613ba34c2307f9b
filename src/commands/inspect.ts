/** `inspect`: containers first, then images, or what `--type` says. */
import { type ApiClient, ApiError } from "../engine/api/client.ts";
import type { Command } from "./support/command.ts";
import { Failure } from "./support/failure.ts";
import { bool, string } from "./support/flags.ts";
import { FORMAT_FLAG, inspectAll } from "./support/inspect.ts";
import { err } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";

const TYPES = [
  "config",
  "container",
  "image",
  "network",
  "node",
  "plugin",
  "secret",
  "service",
  "task",
  "volume",
];

/** Where each kind of thing is found, in the order in which a bare name is looked for. */
const PLACES: readonly (readonly [string, (name: string) => string])[] = [
  ["container", (name) => `/containers/${name}/json`],
  ["image", (name) => `/images/${name}/json`],
  ["network", (name) => `/networks/${name}`],
  ["volume", (name) => `/volumes/${name}`],
  ["service", (name) => `/services/${name}`],
  ["task", (name) => `/tasks/${name}`],
  ["node", (name) => `/nodes/${name}`],
  ["plugin", (name) => `/plugins/${name}/json`],
  ["secret", (name) => `/secrets/${name}`],
  ["config", (name) => `/configs/${name}`],
];

const fetchText = async (api: ApiClient, path: string, size: boolean): Promise<string> =>
  (await api.request("GET", path, { query: { size } })).body.text();

/** What the daemon cannot do, or has no swarm for, is no reason to stop looking. */
const absent = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === 404 || error.status === 501 || error.status === 503);

export const command: Command = {
  use: "[OPTIONS] NAME|ID [NAME|ID...]",
  short: "Show everything known about containers and images",
  arity: { min: 1 },
  flags: [
    FORMAT_FLAG,
    bool("size", "s", "Show total file sizes of containers"),
    string("type", undefined, "Look for things of this type only"),
  ],
  async run({ args, flags, client }) {
    const type = flags.string("type");
    if (flags.has("type") && type === "")
      throw new Failure(`type is empty: must be one of ${TYPES.map((name) => `"${name}"`).join(", ")}`);
    if (type !== "" && !TYPES.includes(type)) {
      throw new Failure(
        `unknown type: ${JSON.stringify(type)}: must be one of ${TYPES.map((name) => `"${name}"`).join(", ")}`,
      );
    }
    const size = flags.bool("size");
    const api = await client();
    return inspectAll(args, flags.string("format"), async (name) => {
      for (const [kind, path] of PLACES) {
        if (type !== "" && kind !== type) continue;
        try {
          const json = await fetchText(api, path(pathWord(name)), size && kind === "container");
          if (size && kind !== "container") err(`WARNING: --size ignored for ${kind}\n`);
          return {
            json,
            ...(kind === "container" || kind === "image" || kind === "network" ? { kind } : {}),
          };
        } catch (error) {
          if (type !== "" || !absent(error)) throw error;
        }
      }
      throw new Failure(`Error: No such object: ${name}`);
    });
  },
};
