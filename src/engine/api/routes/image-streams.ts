/** Images on their way in and out: pull, import, push, load, save. */

import { EngineError } from "../../errors.ts";
import type { ByteStream, Engine } from "../../services.ts";
import { type Call, type Route, streaming } from "../call.ts";
import { decodePlatform } from "../platform.ts";
import { progressReply } from "../progress.ts";
import { decodeRegistryAuth } from "../registry-auth.ts";

function create(call: Call, engine: Engine): Promise<Response> {
  const { query } = call;
  const platform = call.before("1.32") ? undefined : query.text("platform") || undefined;
  const reference = query.text("fromImage");
  if (reference !== "") {
    const auth = decodeRegistryAuth(call.headers.get("x-registry-auth"));
    // `pull -a` of some clients leaves the colon behind the name.
    const request = {
      reference: reference.replace(/:$/, ""),
      tag: query.text("tag") || undefined,
      platform,
      auth,
      signal: call.signal,
    };
    return progressReply((progress) => engine.images.pull(request, progress));
  }
  const source = query.text("fromSrc");
  if (source !== "-")
    throw new EngineError(
      "notImplemented",
      "importing from a URL is not supported: send the archive as the request's body",
    );
  return progressReply(async (progress) => {
    const id = await engine.images.importImage(call.body, {
      repo: query.text("repo") || undefined,
      tag: query.text("tag") || undefined,
      message: query.text("message") || `Imported from ${source}`,
      changes: query.all("changes"),
      platform,
    });
    progress({ status: id });
  });
}

function push(call: Call, engine: Engine): Promise<Response> {
  // Older clients send one without meaning it.
  if (!call.before("1.46") && call.query.text("platform")) {
    throw new EngineError("notImplemented", "pushing a single platform of an image is not supported yet");
  }
  const auth = decodeRegistryAuth(call.headers.get("x-registry-auth"));
  const request = {
    reference: call.name,
    tag: call.query.text("tag") || undefined,
    auth,
    signal: call.signal,
  };
  return progressReply((progress) => engine.images.push(request, progress));
}

function onePlatform(call: Call): string | undefined {
  if (call.before("1.48")) return undefined;
  const asked = call.query.all("platform").filter(Boolean);
  if (asked.length > 1) {
    if (call.before("1.52")) {
      throw new EngineError(
        "invalid",
        "multiple platform parameters are not supported in this API version; use API version 1.52 or later",
      );
    }
    throw new EngineError("notImplemented", "multiple platform parameters are not supported");
  }
  return asked[0] === undefined ? undefined : decodePlatform(asked[0]);
}

function load(call: Call, engine: Engine): Promise<Response> {
  const options = { quiet: call.query.flag("quiet", true), platform: onePlatform(call) };
  return progressReply((progress) => engine.images.load(call.body, options, progress), { always200: true });
}

/** An error before the first byte becomes the answer's status. */
async function save(call: Call, engine: Engine): Promise<Response> {
  const names = call.params.name === undefined ? call.query.all("names") : [call.name];
  const content = engine.images.save(names, onePlatform(call));
  return streaming(await begun(content), { "content-type": "application/x-tar" });
}

async function begun(content: ByteStream): Promise<ByteStream> {
  const iterator = content[Symbol.asyncIterator]();
  const first = await iterator.next();
  return {
    async *[Symbol.asyncIterator]() {
      try {
        for (let next = first; !next.done; next = await iterator.next()) yield next.value as Uint8Array;
      } finally {
        await iterator.return?.();
      }
    },
  };
}

export const imageStreamRoutes: Route[] = [
  { method: "POST", path: "/images/create", handler: create },
  { method: "POST", path: "/images/load", handler: load },
  { method: "GET", path: "/images/get", handler: save },
  { method: "GET", path: "/images/:name/get", handler: save },
  { method: "POST", path: "/images/:name/push", handler: push },
];
