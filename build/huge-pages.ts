/**
 * Where the kernel has a file's code in huge pages in its page cache (ext4 from 6.16 on, XFS: when it was written in large
 * pieces), it maps two megabytes at a time, if they begin at such a boundary in the file and in memory alike. A start
 * of ours touches half of 75 MB: page by page that is a third of the time it takes, and a fifth of its end.
 * @source elf(5); mm/memory.c, do_set_pmd
 */

const HUGE = 2 << 20;

/** Elf64_Ehdr, Elf64_Phdr, Elf64_Shdr: where their fields lie. */
const HEADER = { phoff: 32, shoff: 40, phentsize: 54, phnum: 56, shentsize: 58, shnum: 60 };
const SEGMENT = { type: 0, flags: 4, offset: 8, vaddr: 16 };
const SECTION = { offset: 24 };
const PT_LOAD = 1;
const PF_W = 2;
const PAGE = 64 << 10;

/**
 * A little-endian ELF file of 64 bits with its segments moved apart: what is only read and executed lies in the file as
 * in memory, modulo 2 MiB. Not what is written to: processes that stay could not let go of it (src/ffi/memory.ts).
 */
export function alignSegments(file: Buffer): Buffer {
  const number = (at: number) => Number(file.readBigUInt64LE(at));
  const segments = Array.from(
    { length: file.readUInt16LE(HEADER.phnum) },
    (_, i) => number(HEADER.phoff) + i * file.readUInt16LE(HEADER.phentsize),
  );
  const gaps: { at: number; size: number }[] = [];
  const moved = (offset: number): number =>
    gaps.reduce((sum, { at, size }) => (offset >= at ? sum + size : sum), offset);
  const loads = segments
    .filter((at) => file.readUInt32LE(at + SEGMENT.type) === PT_LOAD)
    .map((at) => ({
      offset: number(at + SEGMENT.offset),
      vaddr: number(at + SEGMENT.vaddr),
      unit: file.readUInt32LE(at + SEGMENT.flags) & PF_W ? PAGE : HUGE,
    }))
    .sort((a, b) => a.offset - b.offset);
  for (const { offset, vaddr, unit } of loads) {
    const size = (((vaddr - moved(offset)) % unit) + unit) % unit;
    if (size > 0) gaps.push({ at: offset, size });
  }
  const ends = [...gaps.map(({ at }) => at), file.length];
  const aligned = Buffer.concat([
    file.subarray(0, ends[0]),
    ...gaps.flatMap(({ at, size }, i) => [Buffer.alloc(size), file.subarray(at, ends[i + 1])]),
  ]);
  const move = (at: number) =>
    aligned.writeBigUInt64LE(BigInt(moved(Number(aligned.readBigUInt64LE(at)))), at);
  for (const at of segments) move(at + SEGMENT.offset);
  move(HEADER.shoff);
  const sections = Number(aligned.readBigUInt64LE(HEADER.shoff));
  for (let i = 0; i < aligned.readUInt16LE(HEADER.shnum); i++)
    move(sections + i * aligned.readUInt16LE(HEADER.shentsize) + SECTION.offset);
  return aligned;
}
