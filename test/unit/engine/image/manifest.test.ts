import { expect, test } from "bun:test";
import { applyChanges } from "../../../../src/engine/image/changes.ts";
import { chainIds, isLayer, parseConfig, parseManifest } from "../../../../src/engine/image/manifest.ts";
import { shownConfig } from "../../../../src/engine/image/summary.ts";

const D = `sha256:${"a".repeat(64)}`;
const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: D, size: 1 };

test("chain ids are those of the specification", () => {
  // OCI image-spec, config.md: ChainID(L0|L1) = Digest(ChainID(L0) + " " + DiffID(L1)).
  const [first, second] = chainIds([D, D]);
  expect(first).toBe(D);
  expect(second).toBe(`sha256:${new Bun.CryptoHasher("sha256").update(`${D} ${D}`).digest("hex")}`);
});

test("manifests and indexes are told apart by what they hold", () => {
  expect(parseManifest(bytes({ schemaVersion: 2, config: layer, layers: [layer] }), "").kind).toBe(
    "manifest",
  );
  expect(parseManifest(bytes({ schemaVersion: 2, manifests: [layer] }), "").kind).toBe("index");
});

test.each([
  ["no JSON", "{nope", ": invalid character 'n' looking for beginning of object key string"],
  ["half of a JSON", '{"layers":[', ": unexpected end of JSON input"],
  ["a list", "[]", "not a JSON object"],
  ["schema 1", { schemaVersion: 1, layers: [] }, "schema 1 support is removed"],
  ["both kinds", { manifests: [], layers: [] }, "both an index and an image manifest"],
  ["neither kind", { schemaVersion: 2 }, "unsupported manifest media type"],
  [
    "a path for a digest",
    { layers: [], config: { ...layer, digest: "sha256:../../etc" } },
    "no valid digest",
  ],
  ["sha512", { layers: [], config: { ...layer, digest: `sha512:${"a".repeat(128)}` } }, "unsupported digest"],
  ["a negative size", { layers: [{ ...layer, size: -1 }], config: layer }, "no valid size"],
  ["half a byte", { layers: [{ ...layer, size: 1.5 }], config: layer }, "no valid size"],
  ["too many layers", { layers: Array(501).fill(layer), config: layer }, "501 layers"],
])("refused: %s", (_, document, message) => {
  expect(() => parseManifest(bytes(document), "x")).toThrow(message);
});

test.each([
  ["application/vnd.oci.image.layer.v1.tar", true],
  ["application/vnd.oci.image.layer.v1.tar+zstd", true],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", true],
  ["application/vnd.docker.image.rootfs.diff.tar.gzip", true],
  ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", true],
  ["application/vnd.oci.image.layer.v1.squashfs", false],
  ["application/vnd.docker.image.rootfs.other", false],
  ["application/vnd.foo+xz", false],
  ["application/vnd.in-toto+json", false],
  ["", false],
])("%p is a layer: %p", (mediaType, is) => {
  expect(isLayer(mediaType)).toBe(is);
});

test("a config that is no JSON is refused in Go's words", () => {
  expect(() => parseConfig(bytes("{nope"))).toThrow(
    "unmarshal image config: invalid character 'n' looking for beginning of object key string",
  );
});

test("a config's digests are checked", () => {
  expect(() => parseConfig(bytes({ rootfs: { diff_ids: ["x"] } }))).toThrow("no valid rootfs.diff_ids");
  expect(parseConfig(bytes({ os: "linux", architecture: "amd64" })).rootfs.diff_ids).toEqual([]);
});

test.each([
  [
    "a label",
    { config: { Labels: { a: 5 } } },
    "number into Go struct field DockerOCIImageConfig.config.Labels of type string",
  ],
  [
    "a list for labels",
    { config: { Labels: ["a"] } },
    "array into Go struct field DockerOCIImageConfig.config.Labels of type map[string]string",
  ],
  [
    "a command",
    { config: { Cmd: { a: 1 } } },
    "object into Go struct field DockerOCIImageConfig.config.Cmd of type []string",
  ],
  [
    "a user",
    { config: { User: 5 } },
    "number into Go struct field DockerOCIImageConfig.config.User of type string",
  ],
  [
    "the whole config",
    { config: 5 },
    "number into Go struct field Image.config of type DockerOCIImageConfig",
  ],
  ["the system", { os: ["linux"] }, "array into Go struct field Image.os of type string"],
  [
    "a step of the history",
    { history: [{ created_by: 5 }] },
    "number into Go struct field History.history.created_by of type string",
  ],
])("a config with another type for %s is refused", (_, document, message) => {
  expect(() => parseConfig(bytes(document))).toThrow(`json: cannot unmarshal ${message}`);
});

test("a config is shown without what is empty or unknown, in the API's order", () => {
  const config = { Labels: {}, Cmd: ["a"], Env: ["A=1"], User: "", Hostname: "x", Volumes: null };
  expect(JSON.stringify(shownConfig(config))).toBe('{"Env":["A=1"],"Cmd":["a"]}');
});

test("changes are Dockerfile instructions", () => {
  expect(
    applyChanges({ Env: ["A=0"] }, [
      "ENV A=1 B='x y'",
      "ENV OLD form of it",
      'LABEL a="b c" d=e',
      "EXPOSE 80 53/udp",
      "cmd echo hi",
      'ENTRYPOINT ["/x"]',
      "WORKDIR /w",
      "WORKDIR sub",
      "VOLUME /data",
      "USER me",
    ]),
  ).toEqual({
    Env: ["A=1", "B=x y", "OLD=form of it"],
    Labels: { a: "b c", d: "e" },
    ExposedPorts: { "80/tcp": {}, "53/udp": {} },
    Cmd: ["/bin/sh", "-c", "echo hi"],
    Entrypoint: ["/x"],
    WorkingDir: "/w/sub",
    Volumes: { "/data": {} },
    User: "me",
  });
  expect(() => applyChanges({}, ["RUN x"])).toThrow("run is not a valid change command");
});
