/**
 * A container's json-file log, as the shim writes it: appends whole entries at a place that it knows, so that a
 * successor can write the same bytes to the same place again; rotates between appends.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { parseGoInt } from "../strconv.ts";

const NEWLINE = 10;

export interface LogFileOptions {
  /** Bytes after which the file is rotated; 0: never. */
  maxSize: number;
  /** How many files there may be, the current one among them. */
  maxFiles: number;
}

/** Docker's `max-size` (`10m`, units of 1000) and `max-file`. @throws Error in Docker's words */
export function logFileOptions(options: Record<string, string>): LogFileOptions {
  const size = options["max-size"];
  const maxSize = size === undefined ? 0 : humanSize(size);
  if (size !== undefined && maxSize <= 0) throw new Error("max-size must be a positive number");
  const maxFiles = parseGoInt(options["max-file"] ?? "1");
  if (maxFiles < 1) throw new Error("max-file cannot be less than 1");
  return { maxSize, maxFiles };
}

const UNITS: Record<string, number> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12, p: 1e15 };

/** Go's units.FromHumanSize: bytes. */
function humanSize(text: string): number {
  const [, number, suffix] = /^(.*[\d. ])([^\d. ]*)$/s.exec(text) ?? [];
  if (number === undefined || suffix === undefined) throw new Error(`invalid size: '${text}'`);
  const digits = number.replace(/ $/, "");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(digits))
    throw new Error(`strconv.ParseFloat: parsing ${JSON.stringify(digits)}: invalid syntax`);
  if (Number(digits) < 0) throw new Error(`invalid size: '${text}'`);
  const [, unit] = /^([kmgtp]?)(?:(?<=[kmgtp])i?b|(?<![kmgtp])b)?$/i.exec(suffix) ?? [];
  if (unit === undefined) throw new Error(`invalid suffix: '${suffix.toLowerCase()}'`);
  return Math.trunc(Number(digits) * (UNITS[unit.toLowerCase()] ?? 1));
}

export class LogFile {
  readonly path: string;
  readonly #options: LogFileOptions;
  #fd: number;
  #size: number;

  /** Opens for appending and cuts a last line that a crash of the machine has torn. */
  constructor(path: string, options: LogFileOptions) {
    this.path = path;
    this.#options = options;
    this.#fd = openLog(path);
    this.#size = cutTornLine(this.#fd);
  }

  /** Where the next append goes. */
  get size(): number {
    return this.#size;
  }

  /** How much of a stream to log at once, so that a file does not grow much beyond its limit. */
  get step(): number {
    const { maxSize } = this.#options;
    return maxSize === 0 ? Number.POSITIVE_INFINITY : Math.max(512, Math.floor(maxSize / 128));
  }

  /** Before an append; afterwards {@link size} is where it goes. */
  rotateIfFull(): void {
    const { maxSize, maxFiles } = this.#options;
    if (maxSize === 0 || this.#size < maxSize) return;
    // From the oldest to the newest, so that a crash between two renames loses none but the oldest.
    if (maxFiles === 1) rmSync(this.path, { force: true });
    else {
      rmSync(`${this.path}.${maxFiles - 1}`, { force: true });
      for (let n = maxFiles - 1; n > 0; n--) {
        try {
          renameSync(n === 1 ? this.path : `${this.path}.${n - 1}`, `${this.path}.${n}`);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        }
      }
    }
    const fd = openLog(this.path);
    closeSync(this.#fd);
    this.#fd = fd;
    this.#size = fstatSync(fd).size;
  }

  /** All of it or, when the disk is full, nothing: never a torn line. Throws what write(2) failed with. */
  append(text: string, at = this.#size): void {
    if (text === "") return;
    const bytes = Buffer.from(text);
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, at + done);
      }
    } catch (error) {
      ftruncateSync(this.#fd, this.#size);
      throw error;
    }
    this.#size = Math.max(this.#size, at + bytes.length);
  }

  /** Forgets what lies behind a place, for a successor that writes it again. */
  truncate(size: number): void {
    if (size >= this.#size) return;
    ftruncateSync(this.#fd, size);
    this.#size = size;
  }

  close(): void {
    closeSync(this.#fd);
    this.#fd = -1;
  }
}

/** Read and write, without O_APPEND: pwrite(2) would ignore its place. */
function openLog(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o640);
}

/** The size after cutting what follows the last newline. */
function cutTornLine(fd: number): number {
  const size = fstatSync(fd).size;
  const block = Buffer.allocUnsafe(64 * 1024);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - block.length);
    const length = readSync(fd, block, 0, end - start, start);
    const newline = block.lastIndexOf(NEWLINE, length - 1);
    if (newline >= 0 && newline < length) {
      const whole = start + newline + 1;
      if (whole < size) ftruncateSync(fd, whole);
      return whole;
    }
    end = start;
  }
  if (size > 0) ftruncateSync(fd, 0);
  return 0;
}
