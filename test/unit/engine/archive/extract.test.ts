/** Without root: entries belong to whoever runs the test. Devices, whiteouts and capabilities are in test/e2e. */
import { expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { clean } from "../../../../src/engine/archive/directories.ts";
import { type Fixture, Sandbox, tar } from "./support.ts";

const own = { uid: process.getuid!(), gid: process.getgid!() };
const unpack = async (box: Sandbox, ...fixtures: Fixture[]) =>
  box.unpack(tar(...fixtures.map((fixture) => ({ ...own, ...fixture }))));

/** Nothing beside the root was made or changed. */
const untouched = (box: Sandbox) => expect(readdirSync(box.outside)).toEqual(["root"]);

test("names are cleaned as if the root were /", () => {
  for (const [name, path] of [
    ["a", "a"],
    ["./a//b/", "a/b"],
    ["../../etc/passwd", "etc/passwd"],
    ["/a/../../b", "b"],
    ["..", ""],
    ["./", ""],
    ["a/..", ""],
    ["...", "..."],
  ] as const) {
    expect(clean(name), name).toBe(path);
  }
});

test("files, folders, links and their attributes", async () => {
  using box = new Sandbox();
  const { size, implied } = await unpack(
    box,
    { name: "./", type: "dir", mode: 0o711, mtime: 5_000_000_000n },
    { name: "d/", type: "dir", mode: 0o2750, mtime: 1_000_000_000n },
    { name: "d/f", data: "hello", mode: 0o4711, mtime: 2_500_000_000n },
    { name: "d/h", type: "link", linkname: "d/f" },
    { name: "s", type: "symlink", linkname: "d/f", mtime: 3_000_000_000n },
    { name: "p", type: "fifo", mode: 0o622 },
    { name: "made/on/the/way", data: "" },
  );
  expect(statSync(join(box.root, "d/f")).mode & 0o7777).toBe(0o4711);
  expect(statSync(join(box.root, "d/f")).mtimeMs).toBe(2500);
  expect(statSync(join(box.root, "d/f")).nlink).toBe(2);
  expect(statSync(join(box.root, "d")).mtimeMs).toBe(1000);
  expect(statSync(join(box.root, "d")).mode & 0o7777).toBe(0o2750);
  expect(lstatSync(join(box.root, "s")).mtimeMs).toBe(3000);
  expect(lstatSync(join(box.root, "p")).isFIFO()).toBe(true);
  expect(statSync(box.root).mode & 0o7777).toBe(0o711);
  expect(implied).toEqual(["made", "made/on", "made/on/the"]);
  expect(size).toBe(6 * 4096);
});

test("absolute names and .. stay inside", async () => {
  using box = new Sandbox();
  await unpack(
    box,
    { name: "/abs", data: "1" },
    { name: "../../../up", data: "2" },
    { name: "a/../../b", data: "3" },
  );
  expect(readdirSync(box.root).sort()).toEqual(["abs", "b", "up"]);
  untouched(box);
});

test("a symlink, then a file through it, lands inside (CVE-2018-1002200, CVE-2014-9356)", async () => {
  using box = new Sandbox();
  await unpack(
    box,
    { name: "out", type: "symlink", linkname: "../../../../../../.." },
    { name: "out/up", data: "x" },
    { name: "abs", type: "symlink", linkname: "/" },
    { name: "abs/etc/owned", data: "y" },
    { name: "host", type: "symlink", linkname: box.outside },
    { name: "host/file", data: "z" },
  );
  expect(readFileSync(join(box.root, "up"), "utf8")).toBe("x");
  expect(readFileSync(join(box.root, "etc/owned"), "utf8")).toBe("y");
  expect(readFileSync(join(box.root, box.outside, "file"), "utf8")).toBe("z");
  untouched(box);
});

test("a file in place of a symlink does not write through it", async () => {
  using box = new Sandbox();
  const target = join(box.outside, "target");
  writeFileSync(target, "mine");
  await unpack(box, { name: "l", type: "symlink", linkname: target }, { name: "l", data: "theirs" });
  expect(readFileSync(target, "utf8")).toBe("mine");
  expect(lstatSync(join(box.root, "l")).isFile()).toBe(true);
});

test("a hard link reaches nothing outside (CVE-2014-6407)", async () => {
  using box = new Sandbox();
  writeFileSync(join(box.outside, "secret"), "s");
  for (const linkname of ["../secret", join(box.outside, "secret"), "s/secret"]) {
    await expect(
      unpack(
        box,
        { name: "s", type: "symlink", linkname: box.outside },
        { name: "h", type: "link", linkname },
      ),
    ).rejects.toThrow("hard link");
    expect(existsSync(join(box.root, "h"))).toBe(false);
  }
});

test("a hard link to a symlink, then a file by that name, follows nothing (CVE-2016-9122's kind)", async () => {
  using box = new Sandbox();
  const target = join(box.outside, "target");
  writeFileSync(target, "mine");
  await unpack(
    box,
    { name: "s", type: "symlink", linkname: target },
    { name: "h", type: "link", linkname: "s" },
    { name: "h", data: "theirs" },
  );
  expect(readFileSync(target, "utf8")).toBe("mine");
  expect(readlinkSync(join(box.root, "s"))).toBe(target);
});

test("a folder replaced by a symlink half-way is not written through by a kept descriptor", async () => {
  using box = new Sandbox();
  await unpack(
    box,
    { name: "d/", type: "dir" },
    { name: "d/one", data: "1" },
    { name: "d", type: "symlink", linkname: box.outside },
    { name: "d/two", data: "2" },
  );
  expect(lstatSync(join(box.root, "d")).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(box.root, box.outside, "two"), "utf8")).toBe("2");
  untouched(box);
});

test("a folder over a symlink replaces it; its mode does not reach the target", async () => {
  using box = new Sandbox();
  await unpack(
    box,
    { name: "d", type: "symlink", linkname: box.outside },
    { name: "d", type: "dir", mode: 0o777 },
  );
  expect(lstatSync(join(box.root, "d")).isDirectory()).toBe(true);
  expect(statSync(box.outside).mode & 0o777).toBe(0o700);
});

test("a tree is replaced by a file without leaving through its symlinks", async () => {
  using box = new Sandbox();
  writeFileSync(join(box.outside, "keep"), "k");
  await unpack(
    box,
    { name: "d/e/\xff", data: "1" },
    { name: "d/e/l", type: "symlink", linkname: box.outside },
    { name: "d", data: "now a file" },
  );
  expect(readFileSync(join(box.root, "d"), "utf8")).toBe("now a file");
  expect(readFileSync(join(box.outside, "keep"), "utf8")).toBe("k");
});

test("names that are not UTF-8 keep their bytes", async () => {
  using box = new Sandbox();
  await unpack(box, { name: "\xff\xfe", data: "1" });
  expect(readdirSync(box.root, { encoding: "buffer" })[0]).toEqual(Buffer.from([0xff, 0xfe]));
});

test("a loop of symlinks is an error", async () => {
  using box = new Sandbox();
  await expect(
    unpack(
      box,
      { name: "a", type: "symlink", linkname: "b" },
      { name: "b", type: "symlink", linkname: "a" },
      { name: "a/f", data: "" },
    ),
  ).rejects.toThrow("symbolic links");
});

test("names and links with NUL, and endless ones, are refused", async () => {
  using box = new Sandbox();
  await expect(unpack(box, { name: `${"x/".repeat(3000)}f` })).rejects.toThrow("file name too long");
});

test("overlayfs's own attributes are not taken from an archive", async () => {
  using box = new Sandbox();
  await unpack(box, { name: "f", xattrs: new Map([["user.overlay.redirect", Buffer.from("/")]]) });
  const child = Bun.spawnSync([
    "python3",
    "-c",
    `import os; print(os.listxattr(${JSON.stringify(`${box.root}/f`)}))`,
  ]);
  expect(child.stdout.toString().trim()).toBe("[]");
});

test("too many entries are refused", async () => {
  using box = new Sandbox();
  const data = tar(...Array.from({ length: 11 }, (_, i) => ({ ...own, name: `f${i}` })));
  await expect(box.unpack(data, { maxEntries: 10 })).rejects.toThrow("more than 10 entries");
});

test("with a base and without whiteouts, as docker cp unpacks", async () => {
  using box = new Sandbox();
  const fixtures = [
    { ...own, name: "a/.wh.b", data: "kept" },
    { ...own, name: "../../c", data: "" },
  ];
  await box.unpack(tar(...fixtures), { base: "/srv/../srv" });
  expect(readFileSync(join(box.root, "srv/a/.wh.b"), "utf8")).toBe("kept");
  expect(readdirSync(join(box.root, "srv")).sort()).toEqual(["a", "c"]);
  await expect(box.unpack(tar({ ...own, name: "srv", data: "" }), { keepKinds: true })).rejects.toThrow(
    'cannot overwrite directory "/srv" with non-directory "/srv"',
  );
  await expect(box.unpack(tar({ ...own, name: "srv/c", type: "dir" }), { keepKinds: true })).rejects.toThrow(
    'cannot overwrite non-directory "/srv/c" with directory "/srv/c"',
  );
});
