/** The keys that leave a container's terminal: `ctrl-p,ctrl-q` unless the client says otherwise. */
import { EngineError } from "../errors.ts";

export const DEFAULT_DETACH_KEYS: Uint8Array = Uint8Array.of(16, 17);

/** @throws EngineError invalid for a name that is no key; of an exec, Docker calls them by another word */
export function parseDetachKeys(text: string, word: "detach" | "escape" = "detach"): Uint8Array {
  if (text === "") return DEFAULT_DETACH_KEYS;
  const codes = text.split(",").map(keyCode);
  if (codes.some((code) => code < 0))
    throw new EngineError("invalid", `Invalid ${word} keys (${text}) provided`);
  return Uint8Array.from(codes);
}

const CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/** -1 for a name that is no key. */
function keyCode(name: string): number {
  if (name.length === 1) return name.charCodeAt(0);
  if (name === "DEL") return 127;
  return name.startsWith("ctrl-") && name.length === 6 ? CONTROL.indexOf(name[5]!) : -1;
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
