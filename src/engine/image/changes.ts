/** Dockerfile instructions that change a config: `docker import -c`, later `docker commit -c`. */
import { EngineError } from "../errors.ts";
import type { ImageRunConfig } from "./types.ts";

/** @throws EngineError invalid for an instruction that is none of these */
export function applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig {
  const changed: ImageRunConfig = structuredClone(config);
  for (const line of changes.flatMap((change) => change.split("\n"))) {
    const match = /^\s*([A-Za-z]+)\s+(.*?)\s*$/.exec(line);
    if (match === null) {
      if (line.trim() === "" || line.trim().startsWith("#")) continue;
      throw new EngineError(
        "invalid",
        `dockerfile parse error on line 1: unknown instruction: ${line.trim()}`,
      );
    }
    apply(changed, match[1]!.toUpperCase(), match[2]!);
  }
  return changed;
}

function apply(config: ImageRunConfig, instruction: string, rest: string): void {
  switch (instruction) {
    case "CMD":
      config.Cmd = command(rest);
      break;
    case "ENTRYPOINT":
      config.Entrypoint = command(rest);
      break;
    case "ENV":
      for (const [key, value] of assignments(rest)) {
        config.Env = [...(config.Env ?? []).filter((one) => !one.startsWith(`${key}=`)), `${key}=${value}`];
      }
      break;
    case "LABEL":
      config.Labels = { ...config.Labels, ...Object.fromEntries(assignments(rest)) };
      break;
    case "EXPOSE":
      for (const port of words(rest)) {
        config.ExposedPorts = { ...config.ExposedPorts, [port.includes("/") ? port : `${port}/tcp`]: {} };
      }
      break;
    case "VOLUME":
      for (const path of list(rest) ?? words(rest)) config.Volumes = { ...config.Volumes, [path]: {} };
      break;
    case "USER":
      config.User = rest;
      break;
    case "WORKDIR":
      config.WorkingDir = rest.startsWith("/") ? rest : `${config.WorkingDir ?? ""}/${rest}`;
      break;
    case "STOPSIGNAL":
      config.StopSignal = rest;
      break;
    case "ONBUILD":
      config.OnBuild = [...(config.OnBuild ?? []), rest];
      break;
    case "SHELL":
      config.Shell = list(rest) ?? [];
      break;
    default:
      throw new EngineError("invalid", `${instruction.toLowerCase()} is not a valid change command`);
  }
}

function list(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
  } catch {
    // Shell form.
  }
  return undefined;
}

const command = (text: string): string[] => list(text) ?? ["/bin/sh", "-c", text];

/** Words with quotes and backslashes resolved. */
function words(text: string): string[] {
  return [...text.matchAll(/(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])+/g)].map(([word]) => unquote(word));
}

const unquote = (word: string): string =>
  word.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g, (_, double, single, escaped) =>
    double !== undefined ? double.replace(/\\(["\\$])/g, "$1") : (single ?? escaped),
  );

/** `a=b c="d e"`, or the old form `key everything else`. */
function assignments(text: string): [string, string][] {
  const found = words(text);
  if (found[0]?.includes("=")) {
    return found.map((word) => {
      const equals = word.indexOf("=");
      if (equals < 1)
        throw new EngineError(
          "invalid",
          `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
        );
      return [word.slice(0, equals), word.slice(equals + 1)];
    });
  }
  const space = text.search(/\s/);
  if (space < 0) throw new EngineError("invalid", "ENV must have two arguments");
  return [[text.slice(0, space), text.slice(space).trim()]];
}
