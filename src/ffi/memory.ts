/** Memory of this process. */
import { readFileSync, readlinkSync } from "node:fs";
import { sys } from "./libc.ts";

/** madvise(2). */
const MADV_DONTNEED = 4;
const MADV_DONTDUMP = 16;

const HUGE = 2 << 20;

/**
 * Lets go of the pages of this program's code and constants: they stay in the page cache, and come back as they are used.
 * What a program's start uses is tens of megabytes, nearly all of it once.
 *
 * Only what is never written to: relocations would come back as they are in the file. The constants are the segment that
 * the file begins with; from the second time on it is in pieces.
 */
export function releaseCode(): void {
  const program = readlinkSync("/proc/self/exe");
  let constants = 0;
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const mapping = /^([0-9a-f]+)-([0-9a-f]+) (r-x|r--)p ([0-9a-f]+) \S+ \d+ +(.*)$/.exec(line);
    if (!mapping || mapping[5] !== program) continue;
    const start = Number.parseInt(mapping[1]!, 16);
    const end = Number.parseInt(mapping[2]!, 16);
    if (mapping[3] === "r--") {
      const offset = Number.parseInt(mapping[4]!, 16);
      if (offset !== constants) continue;
      constants = offset + end - start;
    }
    // Only advice: a kernel that does not take it changes nothing.
    sys("madvise", start, end - start, MADV_DONTNEED);
    cutHugePages(start, end);
  }
}

/**
 * A start is fast when huge pages are mapped whole (build/huge-pages.ts), but of those that come back later little is used.
 * The kernel maps by small pieces what does not lie in one mapping: every other two megabytes, from the middle of one
 * huge page to the middle of the next, become a mapping of their own, by a flag that says nothing about code.
 */
function cutHugePages(start: number, end: number): void {
  for (let at = start - (start % (2 * HUGE)) + HUGE / 2; at < end; at += 2 * HUGE) {
    const from = Math.max(at, start);
    const length = Math.min(at + HUGE, end) - from;
    if (length > 0) sys("madvise", from, length, MADV_DONTDUMP);
  }
}
