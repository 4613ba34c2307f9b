/** Registries and layers that lie. Nothing outside is touched, and nothing of what was refused stays. Needs root. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { lstatSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Fixture, tar } from "../unit/engine/archive/support.ts";
import { FakeRegistry } from "./image/fake-registry.ts";
import { Engine, eventually, exists, Scratch, sha256 } from "./image/fixtures.ts";

let scratch: Scratch;
let registry: FakeRegistry;
let serial = 0;

beforeAll(() => {
  scratch = new Scratch();
  registry = new FakeRegistry();
});
beforeEach(() => {
  registry.quirks = {};
});
afterAll(() => {
  registry[Symbol.dispose]();
  scratch[Symbol.dispose]();
});

const fresh = () => new Engine(join(scratch.path, `engine-${serial++}`));

async function refused(engine: Engine, pulling: Promise<unknown>, words: string): Promise<void> {
  await expect(pulling).rejects.toThrow(words);
  await eventually(() => Object.values(engine.left()).every((names) => names.length === 0), "an empty store");
  expect(engine.service.list({})).toEqual([]);
}

const pull = (engine: Engine, tag: string, options: object = {}) =>
  engine.pull(`${registry.host}/bad:${tag}`, options);

test("a blob with another digest", async () => {
  using engine = fresh();
  registry.image("digest", [tar({ name: "a", data: "1" })]);
  registry.quirks.blob = (digest) => {
    const bytes = registry.blobs.get(digest);
    if (bytes === undefined || bytes[0] !== 0x1f) return undefined;
    const other = gzipSync(tar({ name: "a", data: "2" }));
    return new Response(
      other.length === bytes.length
        ? other
        : Buffer.concat([other, Buffer.alloc(bytes.length)]).subarray(0, bytes.length),
    );
  };
  await refused(engine, pull(engine, "digest"), "verification failed");
});

test("a config with another digest, a manifest with another digest", async () => {
  using engine = fresh();
  const { digest } = registry.image("config", [tar({ name: "a" })]);
  registry.quirks.blob = (_, request) =>
    request.headers.get("range") ? undefined : new Response('{"os":"linux"}');
  await refused(engine, pull(engine, "config"), "verification failed");
  registry.quirks = {};
  registry.manifests.set(digest, { bytes: Buffer.from("{}"), mediaType: "x" });
  await refused(
    engine,
    engine.pull(`${registry.host}/bad@${digest}`),
    `manifest verification failed for digest ${digest}`,
  );
});

test("a layer larger, or smaller, than its descriptor says", async () => {
  using engine = fresh();
  registry.image("larger", [tar({ name: "a" })], { change: ({ size }) => ({ size: size - 1 }) });
  await refused(engine, pull(engine, "larger"), "is larger than");
  registry.image("smaller", [tar({ name: "a" })], { change: ({ size }) => ({ size: size + 1 }) });
  await refused(engine, pull(engine, "smaller"), "were announced");
}, 30_000);

test("a layer and a config that are files of this machine", async () => {
  using engine = fresh();
  const { digest } = registry.image("file", [tar({ name: "root-only" })]);
  const manifest = JSON.parse(Buffer.from(registry.manifests.get(digest)!.bytes).toString());
  const path = join(scratch.path, "file");
  for (const { digest } of [manifest.config, manifest.layers[0]]) {
    writeFileSync(path, registry.blobs.get(digest)!);
    const location = `file://${path}`;
    registry.quirks.blob = (asked) =>
      asked === digest ? new Response(null, { status: 307, headers: { location } }) : undefined;
    const words = `Get "${location}": unsupported protocol scheme "file"`;
    await refused(engine, pull(engine, "file"), words);
  }
});

test("an index whose sizes lie, and a document that is both index and manifest (CVE-2021-41190)", async () => {
  using engine = fresh();
  registry.document("both", "application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    manifests: [],
    layers: [],
    config: {},
  });
  await refused(engine, pull(engine, "both"), "both an index and an image manifest");
  registry.document("many", "application/vnd.oci.image.index.v1+json", {
    schemaVersion: 2,
    manifests: [{ size: -1 }],
  });
  await refused(engine, pull(engine, "many"), "no valid digest");
});

test("a connection that breaks is taken up where it broke", async () => {
  using engine = fresh();
  const noise = Buffer.alloc(3_000_000);
  crypto.getRandomValues(new Uint8Array(noise.buffer, 0, 65536));
  for (let at = 65536; at < noise.length; at += 65536)
    crypto.getRandomValues(noise.subarray(at, Math.min(at + 65536, noise.length)));
  registry.image("broken", [tar({ name: "noise", data: noise })]);
  const ranges: (string | null)[] = [];
  registry.quirks.blob = (digest, request) => {
    const bytes = registry.blobs.get(digest)!;
    if (bytes.length < 100_000) return undefined;
    ranges.push(request.headers.get("range"));
    if (ranges.length > 2) return undefined;
    const from = Number(/[0-9]+/.exec(request.headers.get("range") ?? "0")![0]);
    // Ends early, without an error.
    return new Response(bytes.slice(from, from + 1_000_000) as Uint8Array<ArrayBuffer>, {
      status: from > 0 ? 206 : 200,
    });
  };
  await pull(engine, "broken");
  expect(ranges).toEqual([null, "bytes=1000000-", "bytes=2000000-"]);
  expect(statSync(join(engine.layer(), "noise")).size).toBe(noise.length);
});

test("a layer of a type that nobody knows, beside one that is", async () => {
  using engine = fresh();
  const types = ["application/vnd.foo+xz", "application/vnd.oci.image.layer.v1.tar+gzip"];
  registry.image("type", [tar({ name: "a" }), tar({ name: "b" })], {
    change: () => ({ mediaType: types.pop() }),
  });
  await refused(engine, pull(engine, "type"), "unsupported media type application/vnd.foo+xz");
});

test("a manifest that is no JSON", async () => {
  using engine = fresh();
  const nope = { bytes: Buffer.from("{nope"), mediaType: "application/vnd.oci.image.manifest.v1+json" };
  for (const name of ["nope", sha256(nope.bytes)]) registry.manifests.set(name, nope);
  const words = "invalid character 'n' looking for beginning of object key string";
  await refused(engine, pull(engine, "nope"), `children: invalid desc ${sha256(nope.bytes)}: ${words}`);
});

test("a config and a layer that the registry does not have, whatever it says of that", async () => {
  using engine = fresh();
  const { digest } = registry.image("gone", [tar({ name: "a" })]);
  const { config, layers } = JSON.parse(Buffer.from(registry.manifests.get(digest)!.bytes).toString());
  const without = async (gone: string, words: RegExp) => {
    registry.quirks.blob = (asked) =>
      asked === gone ? new Response("<h1>Nothing</h1>", { status: 404 }) : undefined;
    const failure = await pull(engine, "gone").catch((error: Error) => error.message);
    expect(failure).toMatch(words);
    await eventually(
      () => Object.values(engine.left()).every(({ length }) => length === 0),
      "an empty store",
    );
  };
  await without(config.digest, /^error pulling image configuration: unknown blob$/);
  await without(layers[0].digest, /^unknown blob$/);
});

test("a blob whose connection breaks again and again", async () => {
  using engine = fresh();
  const { digest } = registry.image("short", [tar({ name: "a" })]);
  const { config, layers } = JSON.parse(Buffer.from(registry.manifests.get(digest)!.bytes).toString());
  // Says how much there is, and closes the connection before that.
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data: (socket) => {
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
      },
    },
  });
  try {
    for (const short of [config.digest, layers[0].digest]) {
      const location = `http://127.0.0.1:${server.port}/`;
      registry.quirks.blob = (asked) =>
        asked === short ? new Response(null, { status: 307, headers: { location } }) : undefined;
      const failure = await pull(engine, "short").catch((error: Error) => error.message);
      expect(failure).toBe("failed to copy: unexpected EOF");
    }
  } finally {
    server.stop(true);
  }
}, 30_000);

test("a layer that unpacks to something else than its image says", async () => {
  using engine = fresh();
  const { digest } = registry.image("diff", [tar({ name: "a" })]);
  const manifest = JSON.parse(Buffer.from(registry.manifests.get(digest)!.bytes).toString());
  const config = JSON.parse(Buffer.from(registry.blobs.get(manifest.config.digest)!).toString());
  config.rootfs.diff_ids = [`sha256:${"0".repeat(64)}`];
  Object.assign(manifest.config, registry.blob(Buffer.from(JSON.stringify(config))));
  registry.document("diff", manifest.mediaType, manifest);
  await refused(engine, pull(engine, "diff"), "the image says sha256:0000");
  config.rootfs.diff_ids = [];
  Object.assign(manifest.config, registry.blob(Buffer.from(JSON.stringify(config))));
  registry.document("count", manifest.mediaType, manifest);
  await refused(engine, pull(engine, "count"), "mismatched image rootfs and manifest layers");
});

test("a config whose labels are no texts: every list of images would be one that clients cannot read", async () => {
  using engine = fresh();
  registry.image("labels", [tar({ name: "a" })], { config: { Labels: { a: 5 } } });
  await refused(engine, pull(engine, "labels"), "json: cannot unmarshal number");
});

test("a truncated archive, a truncated gzip stream, noise", async () => {
  using engine = fresh();
  const whole = tar({ name: "a", data: "x".repeat(5000) });
  registry.image("cut", [whole.subarray(0, 3000)]);
  await refused(engine, pull(engine, "cut"), "unexpected EOF");
  for (const [tag, bytes] of [
    ["gzip", gzipSync(whole).subarray(0, 40)],
    ["noise", Buffer.from("this is no archive at all".repeat(100))],
    ["xz", Buffer.from("fd377a585a000000", "hex")],
  ] as const) {
    const { digest } = registry.image(tag, [whole]);
    const manifest = JSON.parse(Buffer.from(registry.manifests.get(digest)!.bytes).toString());
    Object.assign(manifest.layers[0], registry.blob(bytes));
    registry.document(tag, manifest.mediaType, manifest);
    await refused(
      engine,
      pull(engine, tag),
      { gzip: "unexpected end of file", noise: "invalid tar header", xz: "xz" }[tag],
    );
  }
});

test("a gzip bomb is stopped at the limit, long before its end", async () => {
  const { unpack } = await import("../../src/engine/image/unpack.ts");
  using box = new Scratch();
  const bomb = gzipSync(tar({ name: "zeros", data: Buffer.alloc(64 * 1024 * 1024) }));
  const path = join(box.path, "bomb.gz");
  writeFileSync(path, bomb);
  const { mkdirSync } = await import("node:fs");
  mkdirSync(join(box.path, "target"));
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(bomb).digest("hex")}`;
  const job = {
    source: { kind: "blob", path } as const,
    digest,
    size: bomb.length,
    target: join(box.path, "target"),
    maxBytes: 8 * 1024 * 1024,
    maxEntries: 10,
  };
  await expect(unpack(job, () => {})).rejects.toThrow("unpacks to more than 8388608 bytes");
  expect(statSync(join(box.path, "target/zeros")).size).toBeLessThanOrEqual(8 * 1024 * 1024);
});

test("a device bomb", async () => {
  using engine = fresh();
  const nodes: Fixture[] = Array.from({ length: 17_000 }, (_, i) => ({
    name: `d${i}`,
    type: "block",
    major: 8,
    minor: i,
  }));
  registry.image("devices", [tar(...nodes)]);
  await refused(engine, pull(engine, "devices"), "more than 16384 device nodes");
}, 30_000);

const secret = () => join(scratch.path, "secret");

test("every way out ends inside the layer's folder", async () => {
  using engine = fresh();
  writeFileSync(secret(), "mine", { mode: 0o600 });
  const before = readdirSync("/").join();
  registry.image("inside", [
    tar(
      { name: "../../../../escaped-1", data: "x" },
      { name: "/escaped-2", data: "x" },
      { name: "up", type: "symlink", linkname: "../../../../../.." },
      { name: "up/escaped-3", data: "x" },
      { name: "root", type: "symlink", linkname: "/" },
      { name: "root/escaped-4", type: "dir" },
      { name: "host", type: "symlink", linkname: scratch.path },
      { name: "host/secret", data: "theirs" },
      { name: "magic", type: "symlink", linkname: "/proc/self/cwd" },
      { name: "magic/escaped-5", data: "x" },
      { name: "secret", type: "symlink", linkname: secret() },
      { name: "secret", type: "char", major: 1, minor: 1 },
      { name: ".wh.up" },
    ),
  ]);
  await pull(engine, "inside");
  expect(readdirSync("/").join()).toBe(before);
  expect(exists(join(process.cwd(), "escaped-5"))).toBe(false);
  expect(await Bun.file(secret()).text()).toBe("mine");
  const layer = engine.layer();
  expect(lstatSync(join(layer, "secret")).isCharacterDevice()).toBe(true);
  for (const name of ["escaped-1", "escaped-2", "escaped-3", "escaped-4"])
    expect(exists(join(layer, name)), name).toBe(true);
  // A whiteout hides what is below, never what the same layer brought.
  expect(lstatSync(join(layer, "up")).isSymbolicLink()).toBe(true);
});

test("whiteouts of . and .., and a file in place of the root", async () => {
  using engine = fresh();
  for (const [tag, name] of [
    ["dot", "a/.wh.."],
    ["dots", "a/.wh..."],
    ["empty", "a/.wh."],
  ] as const) {
    registry.image(tag, [tar({ name })]);
    await refused(engine, pull(engine, tag), "invalid whiteout name");
  }
  registry.image("rootfile", [tar({ name: "./", type: "symlink", linkname: "/" })]);
  await refused(engine, pull(engine, "rootfile"), "in place of the root directory");
});

test("a hard link to outside", async () => {
  using engine = fresh();
  writeFileSync(secret(), "mine", { mode: 0o600 });
  registry.image("hard", [
    tar(
      { name: "s", type: "symlink", linkname: scratch.path },
      { name: "h", type: "link", linkname: "s/secret" },
    ),
  ]);
  await refused(engine, pull(engine, "hard"), "hard link");
  expect(statSync(secret()).nlink).toBe(1);
});

test("archives for load that lie about their blobs, link in circles or name nothing", async () => {
  using engine = fresh();
  const layout = { name: "oci-layout", data: "{}" };
  const load = (words: string, ...files: Fixture[]) => loadBytes(words, tar(...files));
  const loadBytes = async (words: string, bytes: Uint8Array) => {
    await expect(engine.load(bytes)).rejects.toThrow(words);
    await eventually(
      () => Object.values(engine.left()).every((names) => names.length === 0),
      "an empty store",
    );
  };
  await load("has digest", layout, { name: `blobs/sha256/${"0".repeat(64)}`, data: "x" });
  await load("unrecognized image format", layout);
  await load("missing from the archive", {
    name: "manifest.json",
    data: '[{"Config":"../../etc/passwd","Layers":[]}]',
  });
  await load(
    "missing from the archive",
    { name: "a", type: "symlink", linkname: "b" },
    { name: "b", type: "symlink", linkname: "a" },
    { name: "manifest.json", data: '[{"Config":"a","Layers":[]}]' },
  );
  await load("is missing from the archive", {
    name: "index.json",
    data: JSON.stringify({
      manifests: [
        {
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          digest: `sha256:${"1".repeat(64)}`,
          size: 3,
        },
      ],
    }),
  });
  const cut = tar(layout, { name: "layer", data: "x".repeat(100_000) }).subarray(0, 50_000);
  await loadBytes("unexpected EOF", cut);
  await expect(engine.load(Buffer.from("no archive"))).rejects.toThrow();
});

test("archives for load with names that are none: no image of them is loaded, nor one beside them", async () => {
  using engine = fresh();
  const layer = tar({ name: "a" });
  const config = {
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: [sha256(layer)] },
  };
  const load = async (words: string, ...RepoTags: unknown[]) => {
    const good = { Config: "config.json", Layers: ["layer.tar"], RepoTags: ["good:v1"] };
    const archive = tar(
      { name: "layer.tar", data: layer },
      { name: "config.json", data: JSON.stringify(config) },
      { name: "manifest.json", data: JSON.stringify([good, { ...good, RepoTags }]) },
    );
    await refused(engine, engine.load(archive), words);
  };
  await load(
    'normalize image ref "BAD TAG": invalid reference format: repository name (library/BAD TAG) must be lowercase',
    "fine:v1",
    "BAD TAG",
  );
  await load('normalize image ref "a b": invalid reference format', "a b");
  await load('normalize image ref "": invalid reference format', "");
  const untar = 'untar manifest "manifest.json": ';
  await load(`${untar}json: cannot unmarshal number into Go struct field .RepoTags of type string`, 5);
  await refused(
    engine,
    engine.load(tar({ name: "manifest.json", data: "[{nope" })),
    `${untar}invalid character 'n' looking for beginning of object key string`,
  );
});

test("a cancelled pull leaves nothing", async () => {
  using engine = fresh();
  registry.image("slow", [tar({ name: "a" })]);
  const stop = new AbortController();
  registry.quirks.blob = (digest) => {
    if (registry.blobs.get(digest)![0] !== 0x1f) return undefined;
    setTimeout(() => stop.abort(), 200);
    return new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array([0x1f])) }),
    );
  };
  await refused(engine, pull(engine, "slow", { signal: stop.signal }), "context canceled");
});

test("two pulls of the same image at once fetch each layer once", async () => {
  using engine = fresh();
  registry.image("twice", [
    tar({ name: "a", data: "1" }),
    tar({ name: "b", data: "2" }),
    tar({ name: "a", data: "1" }),
  ]);
  registry.log.length = 0;
  await Promise.all([pull(engine, "twice"), pull(engine, "twice")]);
  const fetched = registry.log.filter((line) => line.startsWith("GET") && line.includes("/blobs/"));
  // Two distinct layers; the config may be asked for by both.
  expect(new Set(fetched).size).toBe(3);
  expect(fetched.length).toBeLessThanOrEqual(4);
  await eventually(() => engine.left().snapshots.length === 3, "three layers");
});
