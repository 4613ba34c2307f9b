/** Archives made in memory, honest and otherwise. */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Extracted, type ExtractOptions, extract } from "../../../../src/engine/archive/extract.ts";
import { TarReader } from "../../../../src/engine/archive/read.ts";
import { header, type NewEntry, padding, trailer } from "../../../../src/engine/archive/write.ts";

export type Fixture = Partial<NewEntry> & { name: string; data?: string | Uint8Array };

export function tar(...fixtures: Fixture[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { data, ...entry } of fixtures) {
    const bytes = Buffer.from(data ?? "");
    const type = entry.type ?? "file";
    const mode = entry.mode ?? (type === "dir" ? 0o755 : 0o644);
    parts.push(header({ size: bytes.length, ...entry, type, mode }), bytes, padding(bytes.length));
  }
  return Buffer.concat([...parts, trailer()]);
}

/** In pieces of `size` bytes, so that every boundary is crossed somewhere. */
export async function* chunks(data: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

export const reader = (data: Uint8Array, size?: number): TarReader => new TarReader(chunks(data, size));

/** A fresh folder `outside/root`, unpacked into; removed with `using`. */
export class Sandbox implements Disposable {
  readonly outside = mkdtempSync(join(tmpdir(), "tsd-archive-"));
  readonly root = join(this.outside, "root");
  readonly fd: number;

  constructor() {
    mkdirSync(this.root);
    this.fd = openSync(this.root, "r");
  }

  unpack(data: Uint8Array, options: ExtractOptions = { whiteouts: true }): Promise<Extracted> {
    return extract(reader(data), this.fd, options);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
    rmSync(this.outside, { recursive: true, force: true });
  }
}
