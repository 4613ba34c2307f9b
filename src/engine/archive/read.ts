/**
 * Reads a tar archive from a stream of chunks, in order, without holding more than a chunk: entries come out with
 * pax, GNU and sparse extensions already applied. Nothing here touches a file system.
 */
import { BLOCK, type EntryType, type Segment, type TarEntry, TarError } from "./entry.ts";
import { number, parseHeader, type RawHeader } from "./header.ts";
import { checkSparse, decimal, type PaxRecords, pairs, parsePax, paxTime, sparseMap } from "./pax.ts";
import { ByteReader } from "./reader.ts";

const TYPES: Record<string, EntryType> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  S: "file",
  "1": "link",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  "6": "fifo",
};

/** Long names and pax headers are held in memory; nothing real comes near. */
const EXTENSION_MAX = 1024 * 1024;
const SPARSE_MAX = 1_000_000;

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

export class TarReader {
  readonly #in: ByteReader;
  readonly #global: PaxRecords = new Map();
  /** Bytes of the present entry's stored data not read yet, and of its padding. */
  #left = 0;
  #padding = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#in = new ByteReader(source);
  }

  /**
   * The next entry, skipping what was not read of the last.
   * @returns undefined at the end of the archive
   * @throws TarError for a malformed or truncated one
   */
  async next(): Promise<TarEntry | undefined> {
    await this.#skip();
    let pax: PaxRecords | undefined;
    let longName: string | undefined;
    let longLink: string | undefined;
    for (;;) {
      const block = this.#in.takeSync(BLOCK) ?? (await this.#in.take(BLOCK));
      // An archive may end without its two blocks of zeros, at the end of an entry.
      if (block === undefined) {
        if (pax ?? longName ?? longLink) throw new TarError("unexpected EOF");
        return undefined;
      }
      if (block.length < BLOCK) throw new TarError("unexpected EOF");
      const header = parseHeader(block);
      if (header === undefined) return undefined;
      if (header.size < 0) throw new TarError("invalid tar header: negative size");
      switch (header.typeflag) {
        case "x":
        case "X":
          pax = parsePax(await this.#extension(header));
          continue;
        case "g":
          parsePax(await this.#extension(header), this.#global);
          continue;
        case "L":
          longName = cString(await this.#extension(header));
          continue;
        case "K":
          longLink = cString(await this.#extension(header));
          continue;
      }
      const old = header.typeflag === "S" ? await this.#oldSparse(block) : undefined;
      return this.#entry(header, merge(this.#global, pax), longName, longLink, old);
    }
  }

  /** A piece of the present entry's stored data, valid until the next call; undefined at its end. */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#left === 0) return undefined;
    const chunk = this.#in.someSync(this.#left) ?? (await this.#in.some(this.#left));
    if (chunk === undefined) throw new TarError("unexpected EOF");
    this.#left -= chunk.length;
    return chunk;
  }

  /** All of the present entry's data. @throws TarError when it is more than `limit` bytes */
  async bytes(limit: number): Promise<Uint8Array> {
    if (this.#left > limit) throw new TarError(`file of ${this.#left} bytes is too large`);
    const data = new Uint8Array(this.#left);
    let at = 0;
    for (let chunk = await this.read(); chunk !== undefined; chunk = await this.read()) {
      data.set(chunk, at);
      at += chunk.length;
    }
    return data;
  }

  /** Reads what follows the archive's end, so that its bytes pass the digest, too. */
  async drain(): Promise<void> {
    await this.#skip();
    while ((await this.#in.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  }

  async #skip(): Promise<void> {
    while ((await this.read()) !== undefined);
    if (this.#padding > 0) {
      const rest = this.#in.takeSync(this.#padding) ?? (await this.#in.take(this.#padding));
      if (rest === undefined || rest.length < this.#padding) throw new TarError("unexpected EOF");
      this.#padding = 0;
    }
  }

  async #exactly(size: number): Promise<Uint8Array> {
    const data = await this.#in.take(size);
    if (data === undefined || data.length < size) throw new TarError("unexpected EOF");
    return data;
  }

  async #extension(header: RawHeader): Promise<Uint8Array> {
    if (header.size > EXTENSION_MAX) throw new TarError("invalid tar header: extended header is too large");
    const data = await this.#exactly(padded(header.size));
    return data.slice(0, header.size);
  }

  /** The map of GNU's first sparse format: four pairs in the header, more in blocks that follow. */
  async #oldSparse(header: Uint8Array): Promise<{ size: number; segments: Segment[] }> {
    const numbers: number[] = [];
    const collect = (block: Uint8Array, at: number, count: number) => {
      for (let i = 0; i < count; i++, at += 24) {
        if (block[at] === 0) return;
        numbers.push(number(block, at, 12), number(block, at + 12, 12));
      }
    };
    const size = number(header, 483, 12);
    let more = header[482] !== 0;
    collect(header, 386, 4);
    while (more) {
      if (numbers.length > SPARSE_MAX) throw new TarError("invalid tar header: sparse map is too large");
      const block = await this.#exactly(BLOCK);
      collect(block, 0, 21);
      more = block[504] !== 0;
    }
    return { size, segments: pairs(numbers) };
  }

  /** The map of GNU's sparse format 1.0: decimal lines at the start of the data, padded to a block. */
  async #newSparse(): Promise<Segment[]> {
    const numbers: number[] = [];
    let digits = "";
    let count: number | undefined;
    while (count === undefined || numbers.length < count * 2) {
      if (this.#left < BLOCK) throw new TarError("invalid tar header: malformed sparse map");
      const block = await this.#exactly(BLOCK);
      this.#left -= BLOCK;
      for (const byte of block) {
        if (byte !== 0x0a) {
          digits += String.fromCharCode(byte);
          if (digits.length > 20) break;
        } else {
          if (count === undefined) count = decimal(digits);
          else numbers.push(decimal(digits));
          digits = "";
          if (count > SPARSE_MAX) throw new TarError("invalid tar header: sparse map is too large");
          if (numbers.length === count * 2) break;
        }
      }
    }
    return pairs(numbers);
  }

  async #entry(
    header: RawHeader,
    pax: PaxRecords | undefined,
    longName: string | undefined,
    longLink: string | undefined,
    old: { size: number; segments: Segment[] } | undefined,
  ): Promise<TarEntry> {
    const value = (key: string): string | undefined => pax?.get(key);
    const name = value("GNU.sparse.name") ?? value("path") ?? longName ?? header.name;
    let type = TYPES[header.typeflag];
    if (type === undefined) throw new TarError(`unhandled tar header type ${header.typeflag.charCodeAt(0)}`);
    // Archives older than ustar mark a directory by its last character.
    if (type === "file" && header.typeflag !== "S" && name.endsWith("/")) type = "dir";
    const stored = value("size") === undefined ? header.size : decimal(value("size")!);
    // Links and specials carry no data whatever their size field says, as every tar has it.
    this.#left = type === "file" ? stored : 0;
    this.#padding = padded(this.#left) - this.#left;
    const entry: TarEntry = {
      name,
      type,
      mode: header.mode & 0o7777,
      uid: value("uid") === undefined ? header.uid : decimal(value("uid")!),
      gid: value("gid") === undefined ? header.gid : decimal(value("gid")!),
      size: this.#left,
      mtime: value("mtime") === undefined ? BigInt(header.mtime) * 1_000_000_000n : paxTime(value("mtime")!),
      linkname: value("linkpath") ?? longLink ?? header.linkname,
      major: header.major,
      minor: header.minor,
      uname: value("uname") ?? header.uname,
      gname: value("gname") ?? header.gname,
    };
    if (pax !== undefined) {
      for (const [key, data] of pax) {
        if (!key.startsWith("SCHILY.xattr.")) continue;
        entry.xattrs ??= new Map();
        entry.xattrs.set(key.slice("SCHILY.xattr.".length), Buffer.from(data, "latin1"));
      }
    }
    if (type === "file") await this.#sparse(entry, pax, old);
    return entry;
  }

  async #sparse(
    entry: TarEntry,
    pax: PaxRecords | undefined,
    old: { size: number; segments: Segment[] } | undefined,
  ): Promise<void> {
    if (old !== undefined) {
      entry.size = old.size;
      entry.sparse = old.segments;
    } else if (pax?.get("GNU.sparse.major") === "1" && pax.get("GNU.sparse.minor") === "0") {
      entry.sparse = await this.#newSparse();
      entry.size = decimal(pax.get("GNU.sparse.realsize") ?? "");
    } else if (pax?.has("GNU.sparse.map")) {
      entry.sparse = sparseMap(pax.get("GNU.sparse.map")!);
      entry.size = decimal(pax.get("GNU.sparse.size") ?? pax.get("GNU.sparse.realsize") ?? "");
    }
    if (entry.sparse !== undefined) checkSparse(entry.sparse, entry.size, this.#left);
  }
}

function cString(data: Uint8Array): string {
  const value = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
  const end = value.indexOf("\0");
  return end < 0 ? value : value.slice(0, end);
}

function merge(global: PaxRecords, local: PaxRecords | undefined): PaxRecords | undefined {
  if (global.size === 0) return local;
  return new Map([...global, ...(local ?? [])]);
}
