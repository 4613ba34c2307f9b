/**
 * The keys that leave a terminal, `ctrl-p,ctrl-q` unless they are named: of the engine and of its client, which is why
 * nothing is imported here.
 */

export const DEFAULT_DETACH_KEYS: Uint8Array = Uint8Array.of(16, 17);

/** @throws Error `Unknown character: 'KEY'` for a name that is no key */
export function parseDetachKeys(text: string): Uint8Array {
  if (text === "") return DEFAULT_DETACH_KEYS;
  return Uint8Array.from(text.split(","), keyCode);
}

const CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/** A byte of its own, or a name: of a letter with `ctrl-`, only the small one. */
function keyCode(name: string): number {
  if (name.length === 1 && name <= "\x7f") return name.charCodeAt(0);
  if (name === "DEL") return 127;
  const code = name.startsWith("ctrl-") && name.length === 6 ? CONTROL.indexOf(name[5]!) : -1;
  if (code < 0) throw new Error(`Unknown character: '${name}'`);
  return code;
}

/** Looks for the keys in what is typed, over the borders of chunks. */
export class DetachScanner {
  readonly #keys: Uint8Array;
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** What may go on to the container, and whether the keys were complete; keys typed in part are held back until it is known. */
  scan(chunk: Uint8Array): { pass: Uint8Array; detached: boolean } {
    const pass: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), detached: true };
        continue;
      }
      if (this.#matched > 0) pass.push(...this.#keys.subarray(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) pass.push(byte);
      else if (this.#keys.length === 1) return { pass: Uint8Array.from(pass), detached: true };
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }
}
