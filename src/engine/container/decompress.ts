/** A stream that may be compressed, as its first bytes tell: gzip, zstd, or what it is. */

const MAGIC: readonly [format: "gzip" | "zstd", bytes: readonly number[]][] = [
  ["gzip", [0x1f, 0x8b, 0x08]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

export async function* decompressed(body: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = body[Symbol.iterator]();
  const head: Uint8Array[] = [];
  let size = 0;
  while (size < 4) {
    const { done, value } = source.next();
    if (done) break;
    head.push(value);
    size += value.length;
  }
  const start = Buffer.concat(head);
  const whole = rejoin(start, source);
  const format = MAGIC.find(([, bytes]) => bytes.every((byte, i) => start[i] === byte))?.[0];
  if (format === undefined) yield* whole;
  else {
    const packed = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await whole.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    });
    yield* packed.pipeThrough(
      new DecompressionStream(format as "gzip") as unknown as ReadableWritablePair<Uint8Array, Uint8Array>,
    );
  }
}

async function* rejoin(start: Uint8Array, rest: Iterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (start.length > 0) yield start;
  for (;;) {
    const { done, value } = rest.next();
    if (done) return;
    yield value;
  }
}
