/** The key sequence that leaves a container running: parsed, and watched for in what is typed. */
import { Failure } from "./failure.ts";

const DEFAULT = "ctrl-p,ctrl-q";

/** `ctrl-p,ctrl-q`, `a`, `ctrl-@` … as bytes. */
export function parseDetachKeys(text: string): Uint8Array {
  const keys = (text || DEFAULT).split(",").map((key) => {
    if ([...key].length === 1) return key.charCodeAt(0);
    if (key === "DEL") return 127;
    const control = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key);
    if (!control) throw new Failure(`invalid detach keys (${text}): Unknown character: '${key}'`);
    return (control[1] as string).toUpperCase().charCodeAt(0) & 0x1f;
  });
  return Uint8Array.from(keys);
}

/** Passes typed bytes on, holding back what may be the start of the sequence. */
export class DetachWatch {
  readonly #keys: Uint8Array;
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** What may go to the container, and whether the whole sequence was seen. */
  push(bytes: Uint8Array): { pass: Uint8Array; detached: boolean } {
    const pass: number[] = [];
    for (const byte of bytes) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched += 1;
        if (this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), detached: true };
        continue;
      }
      pass.push(...this.#keys.subarray(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) pass.push(byte);
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }
}
