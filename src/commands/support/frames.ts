/** Takes the frames of stdout and stderr apart and writes them. @source Engine API, "Attach to a container", stream format */
import { writeAll } from "./output.ts";

/**
 * Frames come in any cut. Those of one piece that go to the same place are moved together over their headers, in
 * place, so that a million short lines cost a few hundred system calls.
 */
export class FrameWriter {
  readonly #stdout: boolean;
  readonly #stderr: boolean;
  readonly #header = new Uint8Array(8);
  #headerLength = 0;
  #fd = 1;
  #left = 0;

  constructor(stdout = true, stderr = true) {
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    let start = 0;
    let end = 0;
    let fd = this.#fd;
    const flush = (): void => {
      if (end > start && (fd === 1 ? this.#stdout : this.#stderr)) writeAll(fd, bytes.subarray(start, end));
      start = end;
    };
    while (at < bytes.length) {
      if (this.#left > 0) {
        const size = Math.min(this.#left, bytes.length - at);
        if (this.#fd !== fd) {
          flush();
          fd = this.#fd;
          start = end = at;
        } else if (start === end) start = end = at;
        if (end !== at) bytes.copyWithin(end, at, at + size);
        end += size;
        at += size;
        this.#left -= size;
        continue;
      }
      this.#header[this.#headerLength++] = bytes[at++] as number;
      if (this.#headerLength < 8) continue;
      this.#headerLength = 0;
      const h = this.#header;
      this.#fd = h[0] === 2 || h[0] === 3 ? 2 : 1;
      this.#left =
        (((h[4] as number) << 24) | ((h[5] as number) << 16) | ((h[6] as number) << 8) | (h[7] as number)) >>>
        0;
    }
    flush();
  }
}
