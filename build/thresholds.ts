/**
 * When JavaScript is compiled to machine code. Bun's engine begins after 500 units of work in a function (a call is 15,
 * a turn of a loop 1), which is right for programs that run for minutes. Ours are over before compiled code has paid
 * for its compilation: `tsrunc run` took a fifth more of a processor, half of it after it could be of use. What a plan
 * calls for every step is called some 400 times, so that 5000 was still too early: a thread of its own for two
 * functions, 0.6 ms of 15 and a twelfth of the processor's time. A daemon compiles what it does often all the same, a
 * little later.
 */

/** Defaults of the engine's options, as they lie side by side in the executable, 32 bits each: in code not yet warm, in code to be compiled soon, and the first two for optimizing. */
const DEFAULTS = [500, 100, 1000, 1000];
const OURS = [15000, 3000, 1000, 1000];

const bytesOf = (values: readonly number[]): Buffer => Buffer.from(Int32Array.from(values).buffer);

/** Overwrites the defaults in `file`, in place. Throws when they are not found, or more than once. */
export function compileLater(file: Buffer): void {
  const defaults = bytesOf(DEFAULTS);
  const at = file.indexOf(defaults);
  if (at < 0 || file.includes(defaults, at + 1))
    throw new Error("the engine's thresholds are not where they were: build/thresholds.ts is out of date");
  bytesOf(OURS).copy(file, at);
}
