/**
 * How far each attached client's stream has come, in a file on tmpfs that is mapped here and outlives the shim. After
 * `kill -9` the successor knows what was read and not delivered (journal.ts), the daemon knows what it has received,
 * and this says what lies between: so a stream goes on where it was, without a byte lost or repeated.
 */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { KeptOutput } from "./kept-output.ts";
import type { AttachOptions } from "./types.ts";

const SLOTS = 1024;
const SLOT = 128;
const ID_BYTES = 32;
const KEY_BYTES = 16;

/** Output's two numbers change together: they are written where they do not count, then `current` makes them count. */
enum At {
  used = 0,
  wants = 4,
  current = 8,
  behind = 12,
  id = 16,
  key = 48,
  input = 64,
  outputs = 72,
  keptFrom = 104,
}
const OUTPUT = 16;
enum Wants {
  stdin = 1,
  stdout = 2,
  stderr = 4,
}
enum Behind {
  no = 0,
  /** What was produced and not sent is kept. */
  kept = 1,
  /** It is in the shim's own memory, or in its own file. */
  lost = 2,
}

export class SessionTable {
  readonly #folder: string;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #free: number[] = [];

  constructor(path: string) {
    this.#folder = dirname(path);
    const fd = openSync(path, "a+", 0o600);
    ftruncateSync(fd, SLOTS * SLOT);
    closeSync(fd);
    const mapped = Bun.mmap(path, { shared: true });
    this.#bytes = Buffer.from(mapped.buffer, mapped.byteOffset, mapped.byteLength);
    this.#view = new DataView(mapped.buffer, mapped.byteOffset, mapped.byteLength);
    for (let n = SLOTS; n-- > 0; ) if (!this.#isUsed(n)) this.#free.push(n);
  }

  /** A place for a new session; undefined when there is none left. `id`: 64 hex digits, `key`: 32. */
  take(id: string, key: string, options: AttachOptions): SessionSlot | undefined {
    const n = this.#free.pop();
    if (n === undefined) return undefined;
    const slot = this.#slot(n);
    slot.begin(id, key, options);
    return slot;
  }

  /** What a predecessor left. */
  left(): SessionSlot[] {
    const left: SessionSlot[] = [];
    for (let n = 0; n < SLOTS; n++) if (this.#isUsed(n)) left.push(this.#slot(n));
    return left;
  }

  #isUsed(n: number): boolean {
    return this.#view.getUint32(n * SLOT + At.used, true) === 1;
  }

  #slot(n: number): SessionSlot {
    const at = n * SLOT;
    const view = new DataView(this.#view.buffer, this.#view.byteOffset + at, SLOT);
    const bytes = this.#bytes.subarray(at, at + SLOT);
    return new SessionSlot(bytes, view, this.#folder, () => this.#free.push(n));
  }
}

/** Short, as all names there are (records.ts). */
const keptName = (key: string): string => `${key.slice(0, 24)}.kept`;

export class SessionSlot {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #folder: string;
  readonly #freed: () => void;
  #file: KeptOutput | undefined;

  constructor(bytes: Buffer, view: DataView, folder: string, freed: () => void) {
    this.#bytes = bytes;
    this.#view = view;
    this.#folder = folder;
    this.#freed = freed;
  }

  begin(id: string, key: string, { stdin, stdout, stderr }: AttachOptions): void {
    this.#bytes.fill(0);
    this.#bytes.write(id, At.id, ID_BYTES, "hex");
    this.#bytes.write(key, At.key, KEY_BYTES, "hex");
    const wants = (stdin ? Wants.stdin : 0) | (stdout ? Wants.stdout : 0) | (stderr ? Wants.stderr : 0);
    this.#view.setUint32(At.wants, wants, true);
    this.#view.setUint32(At.used, 1, true);
  }

  get used(): boolean {
    return this.#view.getUint32(At.used, true) === 1;
  }

  free(): void {
    if (!this.used) return;
    this.#file?.remove();
    this.#view.setUint32(At.used, 0, true);
    this.#freed();
  }

  get id(): string {
    return this.#bytes.toString("hex", At.id, At.id + ID_BYTES);
  }

  get key(): string {
    return this.#bytes.toString("hex", At.key, At.key + KEY_BYTES);
  }

  get options(): AttachOptions {
    const wants = this.#view.getUint32(At.wants, true);
    return {
      stdin: (wants & Wants.stdin) !== 0,
      stdout: (wants & Wants.stdout) !== 0,
      stderr: (wants & Wants.stderr) !== 0,
    };
  }

  /** Bytes of output, with their frames, that were given to the client's connection. */
  get produced(): number {
    return this.#view.getFloat64(this.#output, true);
  }

  /** The journal's last read among them. */
  get sequence(): number {
    return this.#view.getUint32(this.#output + 8, true);
  }

  /** One more read was given to the connection. */
  delivered(bytes: number, sequence: number): void {
    const produced = this.produced + bytes;
    const next = this.#view.getUint32(At.current, true) ^ 1;
    const at = At.outputs + next * OUTPUT;
    this.#view.setFloat64(at, produced, true);
    this.#view.setUint32(at + 8, sequence, true);
    this.#view.setUint32(At.current, next, true);
  }

  get #output(): number {
    return At.outputs + (this.#view.getUint32(At.current, true) & 1) * OUTPUT;
  }

  /** These bytes, the last of what {@link delivered} is about to count, wait for the client. */
  keep(bytes: Uint8Array, from: number): void {
    if (this.#behind === Behind.lost) return;
    const kept = this.#kept.append(bytes);
    if (this.#behind === Behind.no) this.#view.setFloat64(At.keptFrom, from, true);
    this.#behind = kept ? Behind.kept : Behind.lost;
  }

  /** The client has all that was produced. */
  caughtUp(): void {
    if (this.#behind === Behind.no) return;
    this.#behind = Behind.no;
    this.#kept.rewind();
  }

  /** What a predecessor kept, to be sent from the position `from` on; undefined when some of it is lost. */
  restore(): { from: number; bytes: Buffer } | undefined {
    if (this.#behind === Behind.lost) return undefined;
    const from = this.#view.getFloat64(At.keptFrom, true);
    // It was killed between keeping and counting.
    if (this.#behind === Behind.no || from >= this.produced) {
      this.#behind = Behind.no;
      return { from: this.produced, bytes: Buffer.alloc(0) };
    }
    const bytes = this.#kept.restore(this.produced - from);
    return bytes && { from, bytes };
  }

  get #behind(): number {
    return this.#view.getUint32(At.behind, true);
  }
  set #behind(behind: Behind) {
    this.#view.setUint32(At.behind, behind, true);
  }

  get #kept(): KeptOutput {
    this.#file ??= new KeptOutput(join(this.#folder, keptName(this.key)));
    return this.#file;
  }

  /** Bytes of the client's input that the process was given. */
  get input(): number {
    return this.#view.getFloat64(At.input, true);
  }
  took(bytes: number): void {
    this.#view.setFloat64(At.input, this.input + bytes, true);
  }
}
