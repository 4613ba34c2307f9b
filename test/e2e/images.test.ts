/** The image service against a real registry and real files. Needs root, docker-registry and skopeo. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { lstatSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { buildHello } from "../../build/hello.ts";
import { type Fixture, tar } from "../unit/engine/archive/support.ts";
import {
  Engine,
  eventually,
  exists,
  gzipLayer,
  Registry,
  run,
  Scratch,
  sha256,
  skopeo,
  writeLayout,
} from "./image/fixtures.ts";

let scratch: Scratch;
let registry: Registry;
let digest: string;

const base: Fixture[] = [
  { name: "bin/", type: "dir" },
  { name: "bin/sh", data: "#!", mode: 0o4755, uid: 0, gid: 5, mtime: 1_600_000_000_000_000_000n },
  { name: "bin/link", type: "link", linkname: "bin/sh" },
  { name: "bin/sym", type: "symlink", linkname: "sh" },
  { name: "etc/", type: "dir", mode: 0o700, uid: 7, gid: 8, mtime: 1_500_000_000_000_000_000n },
  { name: "etc/gone", data: "x" },
  { name: "etc/opaque/", type: "dir" },
  { name: "etc/opaque/old", data: "x" },
  { name: "dev/null", type: "char", major: 1, minor: 3, mode: 0o666 },
  { name: "dev/sda", type: "block", major: 8, minor: 0, mode: 0o660 },
  { name: "run/fifo", type: "fifo", mode: 0o622 },
  {
    name: "bin/ping",
    data: "x",
    // cap_net_raw=ep, revision 2.
    xattrs: new Map([
      ["security.capability", Buffer.from("0100000200200000000000000000000000000000", "hex")],
      ["user.note", Buffer.from("hi")],
    ]),
  },
];
const top: Fixture[] = [
  { name: "etc/.wh.gone" },
  { name: "etc/opaque/.wh..wh..opq" },
  { name: "etc/opaque/new", data: "y" },
  { name: "etc/added", data: "z" },
];

beforeAll(async () => {
  buildHello();
  scratch = new Scratch();
  registry = await Registry.start(scratch.path);
  const layout = join(scratch.path, "layout");
  const zstd = tar(...top);
  digest = writeLayout(layout, [
    gzipLayer(tar(...base)),
    {
      bytes: zstdCompressSync(zstd),
      diffId: sha256(zstd),
      mediaType: "application/vnd.oci.image.layer.v1.tar+zstd",
    },
  ]);
  await skopeo(
    "copy",
    "-q",
    "--preserve-digests",
    "--dest-tls-verify=false",
    `oci:${layout}:fixture`,
    `docker://${registry.host}/app:v1`,
  );
});

afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

/** In hexadecimal. */
const xattr = async (path: string, name: string): Promise<string> =>
  (
    await run(
      "python3",
      "-c",
      "import os,sys; print(os.getxattr(sys.argv[1], sys.argv[2]).hex())",
      path,
      name,
    )
  ).trim();

const fresh = (name: string) => new Engine(join(scratch.path, name));

test("a pull brings the image, says so in Docker's lines, and unpacks as containerd would", async () => {
  using engine = fresh("pull");
  const name = `${registry.host}/app:v1`;
  const lines = await engine.pull(name);
  const statuses = lines.map(({ id, status }) => (id ? `${id}: ${status}` : status!));
  expect(statuses[0]).toBe("v1: Pulling from app");
  expect(statuses.filter((line) => line.endsWith("Pulling fs layer"))).toHaveLength(2);
  expect(statuses.filter((line) => line.endsWith("Download complete"))).toHaveLength(2);
  expect(statuses.filter((line) => line.endsWith("Pull complete"))).toHaveLength(2);
  expect(statuses.slice(-2)).toEqual([`Digest: ${digest}`, `Status: Downloaded newer image for ${name}`]);
  expect(engine.events).toEqual([`pull ${registry.host}/app`]);

  const again = await engine.pull(name);
  expect(again.map(({ status }) => status)).toEqual([
    "Pulling from app",
    `Digest: ${digest}`,
    `Status: Image is up to date for ${name}`,
  ]);

  const image = engine.service.resolve(name);
  expect(image).toMatchObject({ id: digest, reference: name, os: "linux", config: { Cmd: ["/bin/sh"] } });
  const rootfs = engine.service.prepare("c".repeat(64), image);
  expect(engine.service.prepare("c".repeat(64), image)).toEqual(rootfs);
  expect(engine.service.rootfs("c".repeat(64))).toEqual(rootfs);
  if (rootfs.kind !== "overlay") throw new Error("not an overlay");
  const [upperLayer, lowerLayer] = rootfs.lower as [string, string];

  const sh = statSync(join(lowerLayer, "bin/sh"));
  expect([sh.mode & 0o7777, sh.uid, sh.gid, sh.nlink, sh.mtimeMs]).toEqual([0o4755, 0, 5, 2, 1.6e12]);
  expect(lstatSync(join(lowerLayer, "dev/sda"))).toMatchObject({ rdev: 8 << 8 });
  expect(lstatSync(join(lowerLayer, "dev/sda")).isBlockDevice()).toBe(true);
  expect(lstatSync(join(lowerLayer, "run/fifo")).isFIFO()).toBe(true);
  const ping = join(lowerLayer, "bin/ping");
  expect(await xattr(ping, "security.capability")).toBe("0100000200200000000000000000000000000000");
  expect(await xattr(ping, "user.note")).toBe("6869");

  // The upper layer's archive never mentions etc/ itself: it keeps looking as below.
  const etc = statSync(join(upperLayer, "etc"));
  expect([etc.mode & 0o7777, etc.uid, etc.gid, etc.mtimeMs]).toEqual([0o700, 7, 8, 1.5e12]);
  const white = lstatSync(join(upperLayer, "etc/gone"));
  expect([white.isCharacterDevice(), white.rdev]).toEqual([true, 0]);
  expect(await xattr(join(upperLayer, "etc/opaque"), "trusted.overlay.opaque")).toBe("79");
  expect(statSync(join(engine.dataRoot, "snapshots")).mode & 0o777).toBe(0o700);

  expect(await engine.service.usage("c".repeat(64))).toMatchObject({ rw: 4096 });
  await engine.service.discard("c".repeat(64));
  await engine.service.discard("c".repeat(64));
  expect(() => engine.service.rootfs("c".repeat(64))).toThrow("no writable layer");
});

test("the layers mounted with overlayfs show the image's files", async () => {
  using engine = fresh("mount");
  await engine.pull(`${registry.host}/app:v1`);
  const rootfs = engine.service.prepare("d".repeat(64), engine.service.resolve(digest));
  if (rootfs.kind !== "overlay") throw new Error("not an overlay");
  const options = `lowerdir=${rootfs.lower.join(":")},upperdir=${rootfs.upper},workdir=${rootfs.work}`;
  const listing = await run(
    "unshare",
    "-m",
    "sh",
    "-c",
    `mount -t overlay overlay -o ${options} /mnt && cd /mnt && find etc | sort`,
  );
  expect(listing.trim().split("\n")).toEqual(["etc", "etc/added", "etc/opaque", "etc/opaque/new"]);
});

test("list, inspect and history say what Docker says", async () => {
  using engine = fresh("describe");
  const name = `${registry.host}/app:v1`;
  await engine.pull(name);
  const [summary] = engine.service.list({ sharedSize: true, manifests: true });
  expect(summary).toMatchObject({
    Id: digest,
    Created: 1714979289,
    Labels: {},
    ParentId: "",
    RepoTags: [name],
    RepoDigests: [`${registry.host}/app@${digest}`],
    SharedSize: 0,
    Containers: 0,
  });
  const inspect = engine.service.inspect(name);
  expect(inspect).toMatchObject({
    Id: digest,
    Created: "2024-05-06T07:08:09Z",
    Config: { Env: ["PATH=/bin"], Cmd: ["/bin/sh"] },
    Architecture: "amd64",
    Os: "linux",
    RootFS: { Type: "layers" },
  });
  expect(Object.keys(inspect.Config)).toEqual(["Env", "Cmd"]);
  const content = inspect.Size;
  expect(summary!.Size).toBeGreaterThan(content);
  expect(summary!.Manifests![0]!.Size.Content).toBe(content);
  const history = engine.service.history(digest.slice(7, 19));
  expect(history.map(({ Id, CreatedBy, Tags }) => [Id, CreatedBy, Tags])).toEqual([
    [digest, "step 1", [name]],
    ["<missing>", "step 0", null],
  ]);
  expect(engine.service.diskUsage().LayersSize).toBe(summary!.Size);
  expect(engine.service.count()).toBe(1);
});

test("tags, removal and its conflicts are worded as Docker's", async () => {
  using engine = fresh("remove");
  const name = `${registry.host}/app:v1`;
  const { service } = engine;
  await engine.pull(name);
  service.tag(name, "mine", "one");
  service.tag(name, "mine:two");
  expect(engine.events.slice(1)).toEqual(["tag mine:one", "tag mine:two"]);
  expect(() => service.tag("nosuch", "a")).toThrow("No such image: nosuch:latest");
  expect(() => service.tag(name, "BAD")).toThrow(
    "invalid reference format: repository name (library/BAD) must be lowercase",
  );
  expect(() => service.resolve("nosuch")).toThrow("No such image: nosuch:latest");
  await expect(service.remove("nosuch", { force: false, prune: true })).rejects.toThrow(
    "No such image: nosuch:latest",
  );

  expect(await service.remove("mine:one", { force: false, prune: true })).toEqual([{ Untagged: "mine:one" }]);
  await expect(service.remove(digest.slice(7, 19), { force: false, prune: true })).rejects.toThrow(
    `conflict: unable to delete ${digest.slice(7, 19)} (must be forced) - image is referenced in multiple repositories`,
  );
  await service.remove("mine:two", { force: false, prune: true });
  engine.users.push({ id: "e".repeat(64), imageId: digest, reference: name, running: false });
  await expect(service.remove(name, { force: false, prune: true })).rejects.toThrow(
    `conflict: unable to delete ${name} (must be forced) - container eeeeeeeeeeee is using its referenced image ${digest.slice(7, 19)}`,
  );
  expect(await service.remove(name, { force: true, prune: true })).toEqual([{ Untagged: name }]);
  expect(service.list({ filters: { dangling: ["true"] } }).map(({ RepoTags }) => RepoTags)).toEqual([[]]);
  expect((await service.prune({})).ImagesDeleted).toBeNull();
  engine.users[0]!.running = true;
  await expect(service.remove(digest, { force: true, prune: true })).rejects.toThrow(
    `conflict: unable to delete ${digest.slice(7, 19)} (cannot be forced) - image is being used by running container eeeeeeeeeeee`,
  );
  engine.users.length = 0;
  expect(await service.remove(digest, { force: false, prune: true })).toEqual([{ Deleted: digest }]);
  await eventually(() => Object.values(engine.left()).every((names) => names.length === 0), "an empty store");
  expect(engine.events.slice(-2)).toEqual([`untag ${name}`, `delete ${digest}`]);
});

test("a name that moves leaves the old image without one, and prune takes it", async () => {
  using engine = fresh("move");
  const other = join(scratch.path, "other");
  const id = writeLayout(other, [gzipLayer(tar({ name: "other", data: "o" }))], {
    config: { Labels: { a: "b" } },
  });
  const to = `docker://${registry.host}/moving:latest`;
  await skopeo(
    "copy",
    "-q",
    "--dest-tls-verify=false",
    `docker://${registry.host}/app:v1`,
    to,
    "--src-tls-verify=false",
    "--preserve-digests",
  );
  await engine.pull(`${registry.host}/moving`);
  await skopeo("copy", "-q", "--dest-tls-verify=false", "--preserve-digests", `oci:${other}:fixture`, to);
  const lines = await engine.pull(`${registry.host}/moving`);
  expect(lines.at(-1)!.status).toBe(`Status: Downloaded newer image for ${registry.host}/moving:latest`);
  const ids = (filters: Record<string, string[]>) => engine.service.list({ filters }).map(({ Id }) => Id);
  expect(ids({ dangling: ["true"] })).toEqual([digest]);
  expect(ids({ dangling: ["false"] })).toEqual([id]);
  expect(ids({ label: ["a"] })).toEqual([id]);
  expect(ids({ label: ["a=c"] })).toEqual([]);
  expect(ids({ "label!": ["a"] })).toEqual([digest]);
  expect(ids({ reference: [`${registry.host}/mov*`] })).toEqual([id]);
  expect(ids({ reference: ["mov*"] })).toEqual([]);
  expect(() => ids({ nosuch: ["x"] })).toThrow("invalid filter 'nosuch'");
  const pruned = await engine.service.prune({});
  expect(pruned.ImagesDeleted).toEqual([{ Untagged: digest }, { Deleted: digest }]);
  expect(pruned.SpaceReclaimed).toBeGreaterThan(0);
  expect(ids({})).toEqual([id]);
});

test("save writes what skopeo and load read back, digest for digest", async () => {
  using engine = fresh("save");
  const name = `${registry.host}/app:v1`;
  await engine.pull(name);
  engine.service.tag(name, "saved:tag");
  const path = join(scratch.path, "saved.tar");
  await Bun.write(path, new Response(engine.service.save(["saved:tag"])));
  expect(() => engine.service.save(["nosuch"])).toThrow("No such image: nosuch:latest");
  const raw = await skopeo("inspect", "--raw", `oci-archive:${path}`);
  expect(sha256(raw)).toBe(digest);
  const inspected = JSON.parse(await skopeo("inspect", `docker-archive:${path}`));
  expect(inspected.Layers).toHaveLength(2);
  using second = fresh("load");
  expect(await second.load(path)).toEqual(["Loaded image: saved:tag"]);
  expect(second.service.resolve("saved:tag").id).toBe(digest);
  expect(second.service.list({})[0]!.Size).toBe(engine.service.list({})[0]!.Size);
  expect(second.events).toEqual([`load ${digest}`]);
});

test.each(["docker-archive", "oci-archive"])("an archive made by skopeo (%s) is loaded", async (format) => {
  using engine = fresh(format);
  const path = join(scratch.path, `${format}.tar`);
  const layout = join(scratch.path, `layout-${format}`);
  writeLayout(layout, [gzipLayer(tar(...base)), gzipLayer(tar(...top))]);
  await skopeo("copy", "-q", `oci:${layout}:fixture`, `${format}:${path}:docker.io/library/made:here`);
  expect(await engine.load(path)).toEqual(["Loaded image: made:here"]);
  expect(engine.service.resolve("made:here").diffIds).toHaveLength(2);
  await eventually(() => engine.left().ingest.length === 0, "no scrap");
});

test("the embedded image needs no registry", async () => {
  using engine = fresh("hello");
  expect(await engine.service.ensureEmbedded("busybox")).toBe(false);
  expect(await engine.service.ensureEmbedded("hello")).toBe(true);
  const image = engine.service.resolve("hello");
  expect(image.config.Cmd).toEqual(["/hello"]);
  const lines = await engine.pull("hello");
  expect(lines.at(-1)!.status).toBe("Status: Image is up to date for hello:latest");
  const rootfs = engine.service.prepare("f".repeat(64), image);
  if (rootfs.kind !== "overlay") throw new Error("not an overlay");
  expect(await run(join(rootfs.lower[0]!, "hello"))).toContain("pid: ");
});

test("an image whose files were damaged hides no other, and can be removed", async () => {
  using engine = fresh("damaged");
  await engine.pull(`${registry.host}/app:v1`);
  await engine.service.ensureEmbedded("hello");
  await Bun.write(join(engine.dataRoot, "content/blobs/sha256", digest.slice(7)), "no JSON");
  using again = new Engine(engine.dataRoot);
  expect(again.service.list({})).toHaveLength(2);
  expect(again.service.resolve("hello").config.Cmd).toEqual(["/hello"]);
  expect(() => again.service.resolve(digest)).toThrow("was found but does not provide any platform");
  await again.service.remove(digest, { force: false, prune: true });
  expect(again.service.list({}).map(({ RepoTags }) => RepoTags)).toEqual([["hello:latest"]]);
});

test("an imported archive becomes an image with the changes asked for", async () => {
  using engine = fresh("import");
  const body = new Blob([tar({ name: "f", data: "1" }) as Uint8Array<ArrayBuffer>]).stream();
  const id = await engine.service.importImage(body, {
    repo: "imported",
    message: "why",
    changes: ['CMD ["/f", "x"]', "ENV A=b C='d e'"],
  });
  const image = engine.service.inspect("imported:latest");
  expect(image).toMatchObject({
    Id: id,
    Comment: "why",
    Config: { Cmd: ["/f", "x"], Env: ["A=b", "C=d e"] },
  });
});

test("a push and a pull give the same digest", async () => {
  using engine = fresh("push");
  await engine.pull(`${registry.host}/app:v1`);
  engine.service.tag(`${registry.host}/app:v1`, `${registry.host}/pushed:x`);
  const lines: string[] = [];
  await engine.service.push({ reference: `${registry.host}/pushed`, tag: "x" }, ({ status }) =>
    lines.push(status ?? ""),
  );
  expect(lines[0]).toBe(`The push refers to repository [${registry.host}/pushed]`);
  expect(lines.some((line) => line.startsWith(`x: digest: ${digest} size: `))).toBe(true);
  const raw = await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${registry.host}/pushed:x`);
  expect(sha256(raw)).toBe(digest);
});

test("what is not there is said in Docker's words", async () => {
  using engine = fresh("missing");
  await expect(engine.pull(`${registry.host}/nosuch:v1`)).rejects.toThrow(
    `manifest for ${registry.host}/nosuch:v1 not found: manifest unknown`,
  );
  await expect(engine.pull("127.0.0.1:1/x:v1")).rejects.toThrow(
    "dial tcp 127.0.0.1:1: connect: connection refused",
  );
  await expect(engine.pull("bad name")).rejects.toThrow("invalid reference format");
  await expect(engine.pull(`${registry.host}/app:v1`, { platform: "linux/arm64" })).rejects.toThrow(
    "linux/arm64",
  );
});

test("start-up sweeps what a crash left and keeps what rows claim", async () => {
  const root = join(scratch.path, "sweep");
  {
    using engine = new Engine(root);
    await engine.pull(`${registry.host}/app:v1`);
    for (const id of ["a", "b"]) {
      engine.service.prepare(id.repeat(64), engine.service.resolve(digest));
      engine.service.claim(id.repeat(64));
    }
    // Its container was never stored.
    engine.service.prepare("c".repeat(64), engine.service.resolve(digest));
  }
  await Bun.write(join(root, "content/ingest/torn"), "x");
  await Bun.write(join(root, "content/blobs/sha256", "0".repeat(64)), "unclaimed");
  await Bun.write(join(root, "snapshots/999/file"), "x");
  using engine = new Engine(root);
  await engine.service.sweep(["a".repeat(64)]);
  await eventually(() => engine.left().blobs.length === 4, "four blobs");
  await eventually(() => engine.left().ingest.length === 0, "no scrap");
  expect(engine.left().snapshots.sort()).toEqual(["1", "2", "3"]);
  expect(engine.service.rootfs("a".repeat(64)).kind).toBe("overlay");
  expect(() => engine.service.rootfs("c".repeat(64))).toThrow("no writable layer");
  expect(exists(join(root, "snapshots/999"))).toBe(false);
  expect(readFileSync(join(root, "snapshots/2/etc/added"), "utf8")).toBe("z");
});
