/** What an image says about running it, merged into what the user said. @source moby, daemon/commit.go, merge */
import type { ImageRunConfig } from "../image/types.ts";
import type { ContainerConfig } from "./config.ts";

const keyOf = (env: string): string => env.split("=", 1)[0]!;
const empty = (list: readonly string[] | null): boolean => list === null || list.length === 0;

/** Changes `config` in place. */
export function mergeImageConfig(config: ContainerConfig, image: ImageRunConfig): void {
  config.User ||= image.User ?? "";
  if (image.ExposedPorts) config.ExposedPorts = { ...image.ExposedPorts, ...config.ExposedPorts };
  if (empty(config.Env)) config.Env = image.Env ?? config.Env;
  else {
    const own = new Set(config.Env!.map(keyOf));
    config.Env = [...config.Env!, ...(image.Env ?? []).filter((env) => !own.has(keyOf(env)))];
  }
  config.Labels = { ...image.Labels, ...config.Labels };
  if (empty(config.Entrypoint)) {
    if (empty(config.Cmd)) config.Cmd = image.Cmd ?? null;
    // [] (--entrypoint "" of newer clients) clears the image's entrypoint; null leaves it.
    if (config.Entrypoint === null) config.Entrypoint = image.Entrypoint ?? null;
  }
  config.WorkingDir ||= image.WorkingDir ?? "";
  const volumes = { ...config.Volumes, ...image.Volumes };
  config.Volumes = Object.keys(volumes).length > 0 ? volumes : null;
  if (image.StopSignal && !config.StopSignal) config.StopSignal = image.StopSignal;
}

/** @throws Error `no command specified` */
export function commandOf(config: ContainerConfig): { path: string; args: string[] } {
  if (config.Entrypoint?.length === 1 && config.Entrypoint[0] === "") config.Entrypoint = null;
  const [path, ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (path === undefined) throw new Error("no command specified");
  return { path, args };
}

/** `defaults` with `overrides` in their places or appended; an override without `=` removes. */
export function overrideEnv(defaults: readonly string[], overrides: readonly string[]): string[] {
  const env = new Map(defaults.map((entry) => [keyOf(entry), entry]));
  for (const entry of overrides) {
    if (entry.includes("=")) env.set(keyOf(entry), entry);
    else env.delete(entry);
  }
  return [...env.values()];
}
