/**
 * An image's config as Docker decodes it: one that comes with other types is refused with the image, since all who
 * list, inspect or run it would trip over them.
 * @source OCI image-spec v1.1: config.md; moby's docker-image-spec v1.3
 */
import { flag, int, int64, list, map, named, struct, text } from "../json/schema.ts";

const strings = list(text);
const names = map(struct("struct {}"));

/** In requests that make a container, too. */
export const healthcheck = struct("v1.HealthcheckConfig", {
  Test: strings,
  Interval: named("time.Duration", int64),
  Timeout: named("time.Duration", int64),
  StartPeriod: named("time.Duration", int64),
  StartInterval: named("time.Duration", int64),
  Retries: int,
});

const runConfig = struct("DockerOCIImageConfig", {
  User: text,
  ExposedPorts: names,
  Env: strings,
  Entrypoint: strings,
  Cmd: strings,
  Volumes: names,
  WorkingDir: text,
  Labels: map(text),
  StopSignal: text,
  StopTimeout: int,
  ArgsEscaped: flag,
  Healthcheck: healthcheck,
  OnBuild: strings,
  Shell: strings,
});

export const imageConfig = struct("v1.Image", {
  created: text,
  author: text,
  architecture: text,
  os: text,
  "os.version": text,
  variant: text,
  config: runConfig,
  rootfs: struct("v1.RootFS", { type: text, diff_ids: strings }),
  history: list(
    struct("v1.History", {
      created: text,
      created_by: text,
      author: text,
      comment: text,
      empty_layer: flag,
    }),
  ),
});
