/**
 * What a log's options make of the container that is started: the labels, variables and tag that stand in each line.
 */
import { hostname } from "node:os";
import { logFileOptions } from "../log/writer.ts";
import { goRegExp } from "../regexp.ts";
import { execute } from "../template/execute.ts";
import { parseTemplate } from "../template/parse.ts";
import { TYPE } from "../template/values.ts";
import type { Container } from "./container.ts";

/** Of those that a list of names or an expression asks for. */
function chosen(
  all: Readonly<Record<string, string>>,
  names: string | undefined,
  pattern: string | undefined,
): Record<string, string> {
  const listed = names === undefined ? [] : names.split(",").filter((name) => Object.hasOwn(all, name));
  const expression = pattern ? goRegExp(pattern) : undefined;
  const matching = expression === undefined ? [] : Object.keys(all).filter((name) => expression.test(name));
  return Object.fromEntries([...listed, ...matching].map((name) => [name, all[name]!]));
}

/** Those without a `=` have no value to show. */
function variables(env: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    env.flatMap((entry) => {
      const at = entry.indexOf("=");
      return at < 0 ? [] : [[entry.slice(0, at), entry.slice(at + 1)]];
    }),
  );
}

/** What templates of tags work on: the fields and methods of Docker's `logger.Info`. */
function tagData({ id, name, record }: Container): Record<string, unknown> {
  const { config, hostConfig, path, args, created, image } = record;
  const short = (digest: string): string => digest.replace(/^[^:]*:/, "").slice(0, 12);
  return {
    [TYPE]: "*logger.Info",
    Config: hostConfig.LogConfig.Config,
    ContainerID: id,
    ContainerName: name,
    ContainerEntrypoint: path,
    ContainerArgs: args,
    ContainerImageID: image.id,
    ContainerImageName: config.Image,
    ContainerCreated: created,
    ContainerEnv: config.Env,
    ContainerLabels: config.Labels,
    LogPath: "",
    DaemonName: "docker",
    Hostname: () => hostname(),
    Command: () => [path, ...args].join(" "),
    ID: () => short(id),
    FullID: () => id,
    Name: () => name.replace(/^\//, ""),
    ImageID: () => short(image.id),
    ImageFullID: () => image.id,
    ImageName: () => config.Image,
  };
}

/** @throws Error in the words of Docker's driver, also for options that it cannot write a log with */
export function logAttributes(container: Container): Record<string, string> {
  const { config, hostConfig } = container.record;
  const options = hostConfig.LogConfig.Config;
  logFileOptions(options);
  const attributes = {
    ...chosen(config.Labels, options.labels, options["labels-regex"]),
    ...chosen(variables(config.Env ?? []), options.env, options["env-regex"]),
  };
  const tag = options.tag ? execute(parseTemplate("log-tag", options.tag), tagData(container)) : "";
  return tag === "" ? attributes : { ...attributes, tag };
}
