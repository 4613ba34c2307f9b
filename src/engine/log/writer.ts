/**
 * A container's json-file log, as the shim writes it: appends whole entries at a place that it knows, so that a
 * successor can write the same bytes to the same place again; rotates between appends.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { parseGoBool, parseGoInt } from "../strconv.ts";

const NEWLINE = 10;

export interface LogFileOptions {
  /** Bytes after which the file is rotated; 0: never. */
  maxSize: number;
  /** How many files there may be, the current one among them. */
  maxFiles: number;
  /** All but the current one are compressed. */
  compress: boolean;
}

/** Docker's `max-size` (`10m`, units of 1000), `max-file` and `compress`. @throws Error in Docker's words */
export function logFileOptions(options: Record<string, string>): LogFileOptions {
  const size = options["max-size"];
  const maxSize = size === undefined ? 0 : humanSize(size);
  if (size !== undefined && maxSize <= 0) throw new Error("max-size must be a positive number");
  const maxFiles = parseGoInt(options["max-file"] ?? "1");
  if (maxFiles < 1) throw new Error("max-file cannot be less than 1");
  const compress = parseGoBool(options.compress ?? "false");
  if (compress && (maxFiles === 1 || maxSize === 0)) {
    throw new Error("compress cannot be true when max-file is less than 2 or max-size is not set");
  }
  return { maxSize, maxFiles, compress };
}

const UNITS: Record<string, number> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12, p: 1e15 };

/** Go's units.FromHumanSize: bytes. */
export function humanSize(text: string): number {
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
  readonly #warn: (error: Error) => void;
  #fd: number;
  #size: number;
  /** The last rotated file is being compressed: the next rotation waits for that. */
  #compressing: Promise<void> | undefined;

  /** Opens for appending and cuts a last line that a crash of the machine has torn. */
  constructor(path: string, options: LogFileOptions, warn: (error: Error) => void) {
    this.path = path;
    this.#options = options;
    this.#warn = warn;
    this.#fd = openLog(path);
    this.#size = cutTornLine(this.#fd);
    // A predecessor was killed before it was done.
    if (options.compress && existsSync(`${path}.1`)) this.#compressLast();
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
    const { maxSize, maxFiles, compress } = this.#options;
    if (maxSize === 0 || this.#size < maxSize || this.#compressing !== undefined) return;
    // From the oldest to the newest, so that a crash between two renames loses none but the oldest.
    if (maxFiles === 1) rmSync(this.path, { force: true });
    else {
      for (const end of compress ? ["", ".gz"] : [""]) {
        rmSync(`${this.path}.${maxFiles - 1}${end}`, { force: true });
        for (let n = maxFiles - 1; n > 1; n--) {
          renameIfThere(`${this.path}.${n - 1}${end}`, `${this.path}.${n}${end}`);
        }
      }
      renameIfThere(this.path, `${this.path}.1`);
    }
    const fd = openLog(this.path);
    closeSync(this.#fd);
    this.#fd = fd;
    this.#size = fstatSync(fd).size;
    if (compress) this.#compressLast();
  }

  /** Beside the program's other work. What fails leaves the file as it is, which is read like a compressed one. */
  #compressLast(): void {
    const work = async (): Promise<void> => {
      const { compressLog } = await import("./compressed.ts");
      await compressLog(`${this.path}.1`);
    };
    this.#compressing = work()
      .catch((error: NodeJS.ErrnoException) => {
        // Its container was removed meanwhile.
        if (error.code !== "ENOENT") this.#warn(error);
      })
      .finally(() => {
        this.#compressing = undefined;
      });
  }

  /** Resolves when nothing is being compressed. */
  async settled(): Promise<void> {
    await this.#compressing;
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

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Read and write, without O_APPEND: pwrite(2) would ignore its place. */
function openLog(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o640);
}

/** The size after cutting what follows the last newline. */
function cutTornLine(fd: number): number {
  const size = fstatSync(fd).size;
  if (size === 0) return 0;
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
  ftruncateSync(fd, 0);
  return 0;
}
