/** Memory of this process. */
import { readFileSync, readlinkSync } from "node:fs";
import { sys } from "./libc.ts";

/** madvise(2). */
const MADV_DONTNEED = 4;

/**
 * Lets go of the pages of this program's code: they stay in the page cache, and come back one by one as they are
 * executed. What a program's start executes is tens of megabytes, nearly all of it once.
 *
 * Code alone: what was written to (relocations) would come back as it is in the file.
 */
export function releaseCode(): void {
  const program = readlinkSync("/proc/self/exe");
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const mapping = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \d+ +(.*)$/.exec(line);
    if (!mapping || mapping[3] !== program) continue;
    const start = Number.parseInt(mapping[1]!, 16);
    // Only advice: a kernel that does not take it changes nothing.
    sys("madvise", start, Number.parseInt(mapping[2]!, 16) - start, MADV_DONTNEED);
  }
}
