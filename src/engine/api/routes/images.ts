/** Images: list, inspect, history, tag, remove, prune; what comes and goes as a stream is in `image-streams.ts`. */
import { EngineError } from "../../errors.ts";
import type { ImageInspect, ImageSummary } from "../../image/types.ts";
import type { Engine } from "../../services.ts";
import { type Call, empty, json, type Route } from "../call.ts";
import { decodePlatform } from "../platform.ts";

function list(call: Call, engine: Engine): Response {
  const { query } = call;
  const filters = query.filters();
  // The filter's name before 1.25.
  if (call.before("1.25") && query.text("filter") && !filters.reference)
    filters.reference = [query.text("filter")];
  if (!call.before("1.54") && query.flag("identity") && !query.flag("manifests")) {
    throw new EngineError("invalid", "conflicting options: identity requires manifests=1");
  }
  const images = engine.images.list({
    all: query.flag("all"),
    filters,
    sharedSize: !call.before("1.42") && query.flag("shared-size"),
    manifests: !call.before("1.47") && query.flag("manifests"),
  });
  return json(images.map((image) => adaptSummary(call, image)));
}

function adaptSummary(call: Call, image: ImageSummary): object {
  if (!call.before("1.51")) return image;
  const older: Partial<ImageSummary> & { VirtualSize?: number } = { ...image, Containers: -1 };
  if (call.before("1.48")) delete older.Descriptor;
  if (call.before("1.44")) older.VirtualSize = image.Size;
  if (call.before("1.43") && image.RepoTags.length === 0 && image.RepoDigests.length === 0) {
    older.RepoTags = ["<none>:<none>"];
    older.RepoDigests = ["<none>@<none>"];
  }
  return older;
}

function inspect(call: Call, engine: Engine): Response {
  const manifests = !call.before("1.48") && call.query.flag("manifests");
  const asked = call.before("1.49") ? "" : call.query.text("platform");
  const platform = asked ? decodePlatform(asked) : undefined;
  if (manifests && platform) {
    throw new EngineError(
      "invalid",
      "conflicting options: manifests and platform options cannot both be set",
    );
  }
  return json(adaptInspect(call, engine.images.inspect(call.name, { platform, manifests })));
}

const LEGACY_CONFIG = {
  Hostname: "",
  Domainname: "",
  User: "",
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: "",
  Volumes: null,
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};
/** Those that 1.50 and 1.51 still show when they are empty. */
const LATER_CONFIG = {
  User: "",
  Env: null,
  Cmd: null,
  Volumes: null,
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

function adaptInspect(call: Call, image: ImageInspect): object {
  if (!call.before("1.52")) return image;
  const older: Record<string, unknown> = {
    ...image,
    Parent: "",
    Comment: image.Comment ?? "",
    DockerVersion: "",
    Author: image.Author ?? "",
    Config: { ...(call.before("1.50") ? LEGACY_CONFIG : LATER_CONFIG), ...image.Config },
    GraphDriver: { Name: "overlayfs", Data: null },
  };
  if (call.before("1.48")) delete older.Descriptor;
  if (call.before("1.45")) {
    older.Container = "";
    older.ContainerConfig = null;
  }
  if (call.before("1.44")) {
    older.VirtualSize = image.Size;
    older.Created ??= "0001-01-01T00:00:00Z";
  }
  return older;
}

function history(call: Call, engine: Engine): Response {
  const asked = call.before("1.48") ? "" : call.query.text("platform");
  return json(engine.images.history(call.name, asked ? decodePlatform(asked) : undefined));
}

function tag(call: Call, engine: Engine): Response {
  engine.images.tag(call.name, call.query.text("repo"), call.query.text("tag") || undefined);
  return empty(201);
}

async function remove(call: Call, engine: Engine): Promise<Response> {
  if (call.name.trim() === "") throw new EngineError("invalid", "image name cannot be blank");
  const { query } = call;
  if (!call.before("1.50") && query.all("platforms").some(Boolean)) {
    throw new EngineError("notImplemented", "removing single platforms of an image is not supported yet");
  }
  return json(
    await engine.images.remove(call.name, { force: query.flag("force"), prune: !query.flag("noprune") }),
  );
}

async function prune(call: Call, engine: Engine): Promise<Response> {
  return json(await engine.images.prune(call.query.filters()));
}

export const imageRoutes: Route[] = [
  { method: "GET", path: "/images/json", handler: list },
  { method: "GET", path: "/images/:name/json", handler: inspect },
  { method: "GET", path: "/images/:name/history", handler: history },
  { method: "POST", path: "/images/:name/tag", handler: tag },
  { method: "POST", path: "/images/prune", handler: prune },
  { method: "DELETE", path: "/images/:name", handler: remove },
];
