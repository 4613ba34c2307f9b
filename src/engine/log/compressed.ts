/**
 * Rotated log files as gzip: `path.1` becomes `path.1.gz`. The header's extra field names the inode of what it was made
 * of, so that a reader that has the uncompressed file open knows its place again. @source RFC 1952
 */
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";

/** ID1, ID2, deflate, FEXTRA; no time; no hints; an unknown system. */
const HEADER = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255];
const EXTRA_AT = HEADER.length + 2;

/** Until it is whole, the uncompressed file stays, which readers take first. @throws what a file system throws */
export async function compressLog(path: string): Promise<void> {
  const { crc32, createDeflateRaw } = await import("node:zlib");
  const { pipeline } = await import("node:stream/promises");
  const from = openSync(path, "r");
  try {
    const extra = Buffer.from(JSON.stringify({ inode: fstatSync(from).ino }));
    const to = openSync(`${path}.gz`, "w", 0o640);
    try {
      writeSync(to, Buffer.from([...HEADER, extra.length & 0xff, extra.length >> 8, ...extra]));
      let sum = 0;
      let size = 0;
      const source = createReadStream("", { fd: from, autoClose: false, highWaterMark: 256 * 1024 });
      source.on("data", (chunk) => {
        sum = crc32(chunk, sum);
        size += chunk.length;
      });
      await pipeline(
        source,
        createDeflateRaw(),
        createWriteStream("", { fd: to, autoClose: false, start: EXTRA_AT + extra.length }),
      );
      const trailer = Buffer.alloc(8);
      trailer.writeUInt32LE(sum, 0);
      trailer.writeUInt32LE(size % 2 ** 32, 4);
      writeSync(to, trailer, 0, 8, fstatSync(to).size);
    } finally {
      closeSync(to);
    }
    rmSync(path);
  } catch (error) {
    rmSync(`${path}.gz`, { force: true });
    throw error;
  } finally {
    closeSync(from);
  }
}

/** The inode of what it was made of; 0 where that is not noted. */
export function madeOf(compressed: number): number {
  const head = Buffer.alloc(EXTRA_AT + 64);
  const length = readSync(compressed, head, 0, head.length, 0);
  if (length < EXTRA_AT || (head[3]! & 4) === 0) return 0;
  const extra = head.toString("utf8", EXTRA_AT, EXTRA_AT + head.readUInt16LE(HEADER.length));
  return Number(/"inode":(\d+)/.exec(extra)?.[1] ?? 0);
}

/** An fd of the contents, in a file that has no name any more. */
export async function decompressLog(path: string, compressed: number): Promise<number> {
  const { createGunzip } = await import("node:zlib");
  const { pipeline } = await import("node:stream/promises");
  const name = `${path}.${process.pid}-${crypto.randomUUID()}`;
  const fd = openSync(name, "wx+", 0o600);
  try {
    rmSync(name);
    await pipeline(
      createReadStream("", { fd: compressed, autoClose: false, start: 0 }),
      createGunzip(),
      createWriteStream("", { fd, autoClose: false, start: 0 }),
    );
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
