import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePax, parsePax, paxTime } from "../../../../src/engine/archive/pax.ts";
import { TarReader } from "../../../../src/engine/archive/read.ts";
import { chunks, reader, tar } from "./support.ts";

async function names(data: Uint8Array): Promise<string[]> {
  const archive = reader(data);
  const found: string[] = [];
  for (let entry = await archive.next(); entry !== undefined; entry = await archive.next())
    found.push(entry.name);
  return found;
}

async function gnuTar(folder: string, ...words: string[]): Promise<Uint8Array> {
  const child = Bun.spawn(["tar", "-C", folder, "-c", "-f", "-", ...words], { stdout: "pipe" });
  return new Uint8Array(await new Response(child.stdout).arrayBuffer());
}

test("what the writer writes the reader reads, whatever the chunks", async () => {
  const long = `${"d/".repeat(120)}file`;
  const data = tar(
    {
      name: long,
      data: "x".repeat(1500),
      mtime: 1_500_000_000_123_456_789n,
      uid: 4_000_000_000,
      mode: 0o4755,
    },
    { name: "s", type: "symlink", linkname: "t".repeat(300) },
    { name: "c", type: "char", major: 1, minor: 3 },
    { name: "x", xattrs: new Map([["security.capability", new Uint8Array([1, 0, 0xff, 10])]]) },
  );
  for (const size of [1, 511, 512, 513, 1 << 20]) {
    const archive = reader(data, size);
    const first = (await archive.next())!;
    expect(first).toMatchObject({ name: long, size: 1500, mtime: 1_500_000_000_123_456_789n, mode: 0o4755 });
    expect(first.uid).toBe(4_000_000_000);
    expect(Buffer.from(await archive.bytes(2000)).toString()).toBe("x".repeat(1500));
    expect(await archive.next()).toMatchObject({ type: "symlink", linkname: "t".repeat(300) });
    expect(await archive.next()).toMatchObject({ type: "char", major: 1, minor: 3 });
    expect((await archive.next())!.xattrs!.get("security.capability")).toEqual(Buffer.from([1, 0, 0xff, 10]));
    expect(await archive.next()).toBeUndefined();
  }
});

test("GNU tar reads what the writer writes", async () => {
  const data = tar({ name: `${"é".repeat(80)}`, data: "abc" }, { name: "dir/", type: "dir" });
  const child = Bun.spawn(["tar", "-tf", "-"], { stdin: data, stdout: "pipe", env: { LC_ALL: "C" } });
  const listing = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  expect(listing.split("\n")[1]).toBe("dir/");
});

for (const format of ["v7", "oldgnu", "gnu", "ustar", "posix"]) {
  test(`GNU tar's ${format} format is read`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "tsd-tar-"));
    try {
      const name = format === "v7" || format === "ustar" ? "f".repeat(90) : "f".repeat(200);
      writeFileSync(join(folder, name), "content");
      const archive = new TarReader(chunks(await gnuTar(folder, `--format=${format}`, name)));
      expect((await archive.next())?.name).toBe(name);
      expect(Buffer.from(await archive.bytes(10)).toString()).toBe("content");
      expect(await archive.next()).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

for (const version of [
  "--format=oldgnu",
  "--sparse-version=0.0",
  "--sparse-version=0.1",
  "--sparse-version=1.0",
]) {
  test(`a sparse file is read with its holes (${version})`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "tsd-tar-"));
    try {
      writeFileSync(join(folder, "sparse"), "head");
      truncateSync(join(folder, "sparse"), 64 * 1024 * 1024);
      const words = version.startsWith("--format") ? [version] : ["--format=posix", version];
      const archive = new TarReader(chunks(await gnuTar(folder, "-S", ...words, "sparse")));
      const entry = (await archive.next())!;
      expect(entry).toMatchObject({ name: "sparse", size: 64 * 1024 * 1024 });
      expect(entry.sparse!.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(8192);
      expect(Buffer.from((await archive.bytes(8192)).subarray(0, 4)).toString()).toBe("head");
      expect(await archive.next()).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test("a truncated archive is an error, not an end", async () => {
  const data = tar({ name: "a", data: "x".repeat(2000) });
  for (const end of [100, 512, 700, 2000]) {
    await expect(names(data.subarray(0, end))).rejects.toThrow("unexpected EOF");
  }
});

test("a header with a wrong checksum is refused", async () => {
  const data = tar({ name: "a" });
  data[0] = 0x62;
  await expect(names(data)).rejects.toThrow("invalid tar header");
});

test("malformed pax records are refused", () => {
  for (const record of ["", "5 a=b", "99 a=b\n", "6 a=b\n", "x a=b\n", "0 a=b\n", "-7 a=b\n"]) {
    const data = Buffer.from(record);
    if (record === "") expect(parsePax(data).size).toBe(0);
    else if (record === "6 a=b\n") expect(parsePax(data).get("a")).toBe("b");
    else expect(() => parsePax(data), record).toThrow("malformed pax record");
  }
});

test("pax lengths count themselves", () => {
  for (const length of [1, 90, 91, 92, 93, 94, 95, 96, 97, 990, 991, 992, 993]) {
    expect(parsePax(encodePax([["k", "v".repeat(length)]])).get("k")).toBe("v".repeat(length));
  }
});

test("pax times keep nanoseconds", () => {
  expect(paxTime("1.5")).toBe(1_500_000_000n);
  expect(paxTime("-1.000000001")).toBe(-1_000_000_001n);
  expect(() => paxTime("1e9")).toThrow("bad time");
});

test("an unknown type is refused by its number", async () => {
  const data = tar({ name: "a" });
  data[156] = "Z".charCodeAt(0);
  const sum = data.subarray(0, 512).reduce((all, byte, i) => all + (i >= 148 && i < 156 ? 32 : byte), 0);
  data.set(Buffer.from(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  await expect(names(data)).rejects.toThrow("unhandled tar header type 90");
});

test("a sparse map that lies is refused", async () => {
  const { checkSparse } = await import("../../../../src/engine/archive/pax.ts");
  expect(() => checkSparse([{ offset: 0, length: 20 }], 10, 20)).toThrow("out of order");
  expect(() =>
    checkSparse(
      [
        { offset: 5, length: 5 },
        { offset: 0, length: 5 },
      ],
      10,
      10,
    ),
  ).toThrow("out of order");
  expect(() => checkSparse([{ offset: 0, length: 5 }], 10, 10)).toThrow("stored size");
});
