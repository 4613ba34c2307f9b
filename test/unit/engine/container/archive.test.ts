import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TarReader } from "../../../../src/engine/archive/read.ts";
import { header, padding, trailer } from "../../../../src/engine/archive/write.ts";
import { Rig, refusal } from "./fakes.ts";

let rig: Rig;
let root: string;
let outside: string;

beforeEach(async () => {
  rig = new Rig();
  root = join(rig.folder, "rootfs");
  outside = mkdtempSync(join(tmpdir(), "tsd-outside-"));
  await rig.create({}, "c1");
});
afterEach(() => {
  rig[Symbol.dispose]();
  rmSync(outside, { recursive: true, force: true });
});

async function entries(path: string): Promise<[name: string, type: string, data: string][]> {
  const { content } = await rig.containers.archive("c1", path);
  const tar = new TarReader(content as AsyncIterable<Uint8Array>);
  const found: [string, string, string][] = [];
  for (let entry = await tar.next(); entry; entry = await tar.next()) {
    const data = entry.type === "file" ? Buffer.from(await tar.bytes(1e6)).toString() : entry.linkname;
    found.push([entry.name, entry.type, data]);
  }
  return found;
}

const body = (...entries: [name: string, data: string][]): ReadableStream<Uint8Array> =>
  new Response(
    Buffer.concat([
      ...entries.flatMap(([name, data]) => [
        header({ name, type: "file", mode: 0o640, uid: 0, gid: 0, size: data.length }),
        Buffer.from(data),
        padding(data.length),
      ]),
      trailer(),
    ]),
  ).body!;

const put = (path: string, from: ReadableStream<Uint8Array>) =>
  rig.containers.extract("c1", path, from, { noOverwriteDirNonDir: false, copyUidGid: false });

test("a file comes out under its own name", async () => {
  writeFileSync(join(root, "a"), "hello");
  expect(await entries("/a")).toEqual([["a", "file", "hello"]]);
  expect(await rig.containers.statPath("c1", "/a")).toMatchObject({
    name: "a",
    size: 5,
    mode: 0o644,
    linkTarget: "",
  });
});

test("a folder comes out with all that is in it, links and all", async () => {
  mkdirSync(join(root, "d/e"), { recursive: true });
  writeFileSync(join(root, "d/f"), "1");
  linkSync(join(root, "d/f"), join(root, "d/g"));
  symlinkSync("/etc/passwd", join(root, "d/s"));
  const all = [
    ["d/", "dir", ""],
    ["d/e/", "dir", ""],
    ["d/f", "file", "1"],
    ["d/g", "link", "d/f"],
    ["d/s", "symlink", "/etc/passwd"],
  ] as [string, string, string][];
  expect(await entries("/d")).toEqual(all);
  expect((await entries("/d/.")).map(([name]) => name)).toEqual(["./", "./e/", "./f", "./g", "./s"]);
  expect((await rig.containers.statPath("c1", "/d")).mode).toBe(2 ** 31 + 0o755);
});

test("a symlink to the host's root stays inside the container", async () => {
  writeFileSync(join(outside, "secret"), "host");
  symlinkSync(outside, join(root, "out"));
  expect((await refusal(rig.containers.archive("c1", "/out/secret")))[0]).toBe("notFound");
  expect((await refusal(put("/out", body(["x", "1"]))))[0]).toBe("notFound");
  expect(existsSync(join(outside, "x"))).toBe(false);
  expect(await rig.containers.statPath("c1", "/out")).toMatchObject({ name: "out", linkTarget: outside });
});

test("dots do not lead out", async () => {
  writeFileSync(join(root, "a"), "in");
  expect(await entries("/../../a")).toEqual([["a", "file", "in"]]);
});

test("files go into a folder, and only into one", async () => {
  mkdirSync(join(root, "d"));
  await put("/d", body(["x", "1"], ["y/z", "2"]));
  expect(readFileSync(join(root, "d/y/z"), "utf8")).toBe("2");
  expect(statSync(join(root, "d/x")).mode & 0o777).toBe(0o640);
  expect(await refusal(put("/d/x", body(["x", "1"])))).toEqual([
    "invalid",
    "extraction point is not a directory",
  ]);
  expect(await refusal(put("/nosuch", body(["x", "1"])))).toEqual([
    "notFound",
    "Could not find the file /nosuch in container c1",
  ]);
});

test("a gzip archive is unpacked like a plain one", async () => {
  mkdirSync(join(root, "d"));
  await put("/d", body(["x", "1"]).pipeThrough(new CompressionStream("gzip") as never));
  expect(readFileSync(join(root, "d/x"), "utf8")).toBe("1");
});

test("a read-only root or bind takes nothing", async () => {
  mkdirSync(join(root, "d"));
  await rig.create({ HostConfig: { ReadonlyRootfs: true, Binds: [`${outside}:/d:ro`] } }, "c2");
  const into = (path: string) =>
    rig.containers.extract("c2", path, body(["x", "1"]), { noOverwriteDirNonDir: false, copyUidGid: false });
  expect(await refusal(into("/"))).toEqual(["invalid", "container rootfs is marked read-only"]);
  expect(await refusal(into("/d"))).toEqual(["invalid", "mounted volume is marked read-only"]);
});

test("a bind of a container that does not run is reached by its place on the host", async () => {
  await rig.create({ HostConfig: { Binds: [`${outside}:/d`] } }, "c2");
  await rig.containers.extract("c2", "/d", body(["x", "1"]), {
    noOverwriteDirNonDir: false,
    copyUidGid: false,
  });
  expect(readFileSync(join(outside, "x"), "utf8")).toBe("1");
});

test("what is covered when it runs is not replaced, once it has run", async () => {
  mkdirSync(join(root, "etc"), { recursive: true });
  writeFileSync(join(root, "etc/hosts"), "old");
  writeFileSync(join(root, "etc/own"), "old");
  await rig.create({ HostConfig: { Binds: [`${outside}:/etc/own`] } }, "c2");
  const into = (name: string) =>
    rig.containers.extract("c2", "/etc", body([name, "new"]), {
      noOverwriteDirNonDir: false,
      copyUidGid: false,
    });
  expect(await refusal(into("own"))).toEqual(["internal", "unlinkat /etc/own: device or resource busy"]);
  await into("hosts");
  expect(readFileSync(join(root, "etc/hosts"), "utf8")).toBe("new");
  rig.ctx.store.setState(rig.ctx.store.find("c2"), { startedAt: "2026-01-01T00:00:00Z" });
  expect(await refusal(into("hosts"))).toEqual(["internal", "unlinkat /etc/hosts: device or resource busy"]);
});

test("an export has an empty file where the container has one of its own mounted", async () => {
  mkdirSync(join(root, "etc"), { recursive: true });
  writeFileSync(join(root, "etc/hosts"), "mounted over this");
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0");
  const tar = new TarReader((await rig.containers.export("c1")) as AsyncIterable<Uint8Array>);
  const sizes = new Map<string, number>();
  for (let entry = await tar.next(); entry; entry = await tar.next()) sizes.set(entry.name, entry.size);
  expect(sizes.get("etc/hosts")).toBe(0);
  expect(sizes.get("etc/passwd")).toBe(10);
});

test("of the root, what the kernel makes up is left out, but for what is asked for by its own path", async () => {
  for (const folder of ["proc", "sys", "dev", "home"]) {
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, "f"), folder);
  }
  const names = (await entries("/")).map(([name]) => name);
  expect(names).toContain("/proc/");
  expect(names.filter((name) => name.endsWith("/f"))).toEqual(["/home/f"]);
  expect(await entries("/proc/f")).toEqual([["f", "file", "proc"]]);
});

describe("of a container that has ended, which nobody has told of yet,", () => {
  const PID = 2 ** 22 + 1;
  let id: string;
  beforeEach(async () => {
    mkdirSync(join(root, "d"));
    writeFileSync(join(root, "d/f"), "left");
    id = await rig.create({}, "ended");
    await rig.containers.start("ended");
    // No process ever has this number: pid_max(5).
    rig.ctx.store.setState(rig.ctx.store.find("ended"), { pid: PID });
  });
  const looks: [what: string, look: () => Promise<unknown>][] = [
    ["a path", () => rig.containers.statPath("ended", "/d/f")],
    ["an archive", () => rig.containers.archive("ended", "/d")],
    ["all of it", () => rig.containers.export("ended")],
    [
      "a place for files",
      async () => {
        const into = { noOverwriteDirNonDir: false, copyUidGid: false };
        await rig.containers.extract("ended", "/d", body(["x", "1"]), into);
        expect(readFileSync(join(root, "d/x"), "utf8")).toBe("1");
      },
    ],
  ];

  test.each(looks)("%s is looked for in what it left, when that is told", async (_, look) => {
    let told = false;
    const looking = look().finally(() => expect(told).toBe(true));
    await Bun.sleep(100);
    told = true;
    rig.shim.end(id, 0);
    await looking;
  });

  test.each(looks)("%s is nowhere when it is removed then", async (_, look) => {
    const looking = refusal(look());
    await rig.containers.remove("ended", { force: true, volumes: false, link: false });
    expect(await looking).toEqual(["notFound", "No such container: ended"]);
  });

  test("what has changed is nobody's when it is removed meanwhile", async () => {
    const looking = refusal(rig.containers.changes("ended"));
    await rig.containers.remove("ended", { force: true, volumes: false, link: false });
    expect(await looking).toEqual(["notFound", "No such container: ended"]);
  });

  test("no processes are shown, and none is started", async () => {
    const notRunning = ["conflict", `container ${id} is not running`] as [string, string];
    expect(await refusal(rig.containers.top("ended", []))).toEqual(notRunning);
    const exec = await rig.execs.create("ended", { Cmd: ["true"] });
    rig.shim.failure = new Error("join the container's namespaces: no such process");
    expect(await refusal(rig.execs.start(exec.Id, { detach: true }))).toEqual(notRunning);
  });

  test("other limits are for its next start", async () => {
    await rig.containers.update("ended", { CpuShares: 512 });
    expect(rig.ctx.store.find("ended").record.hostConfig.CpuShares).toBe(512);
  });
});
