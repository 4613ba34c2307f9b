/**
 * Bun's allocator (mimalloc) gives memory back by a thread of its own, which every program with an event loop starts when
 * it first waits. A command of a few milliseconds pays for the thread twice: making it, and ending with two threads instead
 * of one, 0.2 ms of the client's 8. Without it the waiting thread does the same itself: a daemon and its supervisor were no
 * larger at rest, 18 and 8 MB of their own after sixty runs.
 * @source mimalloc's options, `src/options.c`: a table of value, state, number and name
 */

/** The option is named by the end of the thread's own name. */
const THREAD = "\0mi-scavenger\0";
const NAME_AT = THREAD.indexOf("scavenger");

/** Where a byte of the file is in memory. @source elf(5), 64 bits, little-endian */
function address(file: Buffer, offset: number): bigint {
  const headers = Number(file.readBigUInt64LE(32));
  const size = file.readUInt16LE(54);
  for (let index = 0; index < file.readUInt16LE(56); index += 1) {
    const header = headers + index * size;
    const from = file.readBigUInt64LE(header + 8);
    const length = file.readBigUInt64LE(header + 32);
    const at = BigInt(offset) - from;
    if (file.readUInt32LE(header) === 1 && at >= 0n && at < length)
      return file.readBigUInt64LE(header + 16) + at;
  }
  throw new Error("the scavenger's name is in no segment: build/scavenger.ts is out of date");
}

/** Turns the option off in `file`, in place. Throws when it is not where it was, or not as it was. */
export function scavengeNothing(file: Buffer): void {
  const name = file.indexOf(THREAD, 0, "latin1");
  const pointer = Buffer.alloc(8);
  if (name >= 0) pointer.writeBigUInt64LE(address(file, name + NAME_AT));
  const found = name < 0 ? -1 : file.indexOf(pointer);
  if (found < 0 || file.includes(pointer, found + 1))
    throw new Error("the scavenger's option is not where it was: build/scavenger.ts is out of date");
  const value = found - 16;
  // On, and not yet looked for in the environment.
  if (file.readBigInt64LE(value) !== 1n || file.readInt32LE(value + 8) !== 0)
    throw new Error("the scavenger's option is not what it was: build/scavenger.ts is out of date");
  file.writeBigInt64LE(0n, value);
}
