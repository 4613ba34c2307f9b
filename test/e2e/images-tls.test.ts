/** The kind of registry that Docker Hub is: TLS, and tokens for everybody or for those with a password. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Repository } from "../../src/registry/client/repository.ts";
import { tlsOf } from "../../src/registry/client/tls.ts";
import { tar } from "../unit/engine/archive/support.ts";
import { certificates, FakeRegistry } from "./image/fake-registry.ts";
import { Engine, Scratch } from "./image/fixtures.ts";

let scratch: Scratch;
let registry: FakeRegistry;
let ca: string;

beforeAll(async () => {
  scratch = new Scratch();
  const files = await certificates(scratch.path);
  ca = files.ca;
  registry = new FakeRegistry({ tls: files, tokens: {} });
  const amd64 = registry.image("amd64", [tar({ name: "for-amd64" })]);
  const arm64 = registry.image("arm64", [tar({ name: "for-arm64" })], { architecture: "arm64" });
  registry.index("v1", [
    { ...amd64, platform: { os: "linux", architecture: "amd64" } },
    { ...arm64, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
    {
      ...registry.document("attestation", "application/vnd.oci.image.manifest.v1+json", {
        schemaVersion: 2,
        layers: [],
      }),
      platform: { os: "unknown", architecture: "unknown" },
      annotations: { "vnd.docker.reference.type": "attestation-manifest" },
    },
  ]);
});

afterAll(() => {
  registry[Symbol.dispose]();
  scratch[Symbol.dispose]();
});

const access = (skipVerify: boolean) => ({
  url: `https://${registry.host}`,
  skipVerify,
  path: "library/app",
  actions: "pull" as const,
});

test("a certificate of an unknown authority is refused, one of certs.d is taken", async () => {
  await expect(new Repository(access(false)).head("v1")).rejects.toThrow("certificate");
  const folder = join("/etc/tsd/certs.d", registry.host);
  /** The first folder that was not there: all of it is this test's. */
  const made = mkdirSync(folder, { recursive: true }) ?? folder;
  try {
    writeFileSync(join(folder, "ca.crt"), ca);
    expect((await new Repository(access(false)).head("v1")).mediaType).toContain("index");
    expect(tlsOf(`https://${registry.host}/v2/`, false)!.ca!.at(-1)).toBe(ca);
  } finally {
    rmSync(made, { recursive: true });
  }
});

test("a pull fetches an anonymous token, picks the platform, and keeps the index's digest", async () => {
  using engine = new Engine(join(scratch.path, "anonymous"));
  registry.log.length = 0;
  const name = `${registry.host}/library/app:v1`;
  await engine.pull(name);
  const index = registry.manifests.get("v1")!;
  const id = `sha256:${new Bun.CryptoHasher("sha256").update(index.bytes).digest("hex")}`;
  expect(engine.service.resolve(name)).toMatchObject({
    id,
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
  });
  const asked = registry.log.find((line) => line.includes("/token"));
  expect(asked).toBe("GET /token?service=fake&scope=repository%3Alibrary%2Fapp%3Apull");
  // Only one platform's blobs were fetched: a config and a layer.
  expect(
    registry.log.filter((line) => line.startsWith("GET") && line.includes("/blobs/sha256")).length,
  ).toBeLessThanOrEqual(4);
  expect(
    engine.service.list({ manifests: true })[0]!.Manifests!.map(({ Kind, Available }) => [Kind, Available]),
  ).toEqual([
    ["image", true],
    ["image", false],
    ["attestation", false],
  ]);
});

test("another platform is pulled when asked for, and both are then there", async () => {
  using engine = new Engine(join(scratch.path, "platform"));
  const name = `${registry.host}/library/app:v1`;
  await engine.pull(name, { platform: "linux/arm64" });
  expect(() => engine.service.resolve(name, "linux/amd64")).toThrow(
    "does not provide the specified platform (linux/amd64)",
  );
  expect(engine.service.resolve(name).architecture).toBe("arm64");
  await engine.pull(name, { platform: "linux/amd64" });
  expect(engine.service.resolve(name, "linux/amd64").architecture).toBe("amd64");
  expect(engine.service.resolve(name, "linux/arm64/v8").architecture).toBe("arm64");
  await expect(engine.pull(name, { platform: "linux/s390x" })).rejects.toThrow(
    "no matching manifest for linux/s390x in the manifest list entries",
  );
});

test("a password is asked for where tokens are for some only", async () => {
  using engine = new Engine(join(scratch.path, "password"));
  registry.quirks.tokens = { users: { me: "secret" } };
  const name = `${registry.host}/library/app:v1`;
  await expect(engine.pull(name)).rejects.toThrow();
  await expect(engine.pull(name, { auth: { username: "me", password: "wrong" } })).rejects.toThrow(
    "incorrect username or password",
  );
  await engine.pull(name, { auth: { username: "me", password: "secret" } });
  expect(engine.service.list({})).toHaveLength(1);
  registry.quirks.tokens = {};
});

test("a mirror is asked first for Docker Hub's images, and its silence is not the last word", async () => {
  using engine = new Engine(join(scratch.path, "mirror"), {
    mirrors: ["http://127.0.0.1:1", `https://${registry.host}/`],
  });
  const lines = await engine.pull("app:v1");
  expect(lines.at(-1)!.status).toBe("Status: Downloaded newer image for app:v1");
  expect(engine.service.resolve("docker.io/library/app:v1").reference).toBe("app:v1");
});
