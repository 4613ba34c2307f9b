/**
 * Memory that the engine makes ready before it is asked for. Once a program has allocated a megabyte, Bun's engine starts
 * a thread that touches half a megabyte more, so that a server's next objects find their pages there. A command that
 * ends within milliseconds has no use for these pages: to make them, and to give them back, took 0.6 ms of a processor,
 * of 7.5 until `run` has sent its request.
 */

/** Of how many blocks are kept ready (0: none, and no thread), and after how many that begins: 32 and 64, loaded together. */
const DEFAULTS: Readonly<Record<"amd64" | "arm64", RegExp>> = {
  // movabs $0x4000000020, %rax
  amd64: /\x48\xb8(?=\x20\0\0\0\x40\0\0\0)/g,
  // mov x9, #32; movk x9, #64, lsl #32
  arm64: /(?=\x09\x04\x80\xd2\x09\x08\xc0\xf2)/g,
};

/** Overwrites the first of the defaults in `file`, in place. Throws when they are not found, or more than once. */
export function warmUpNothing(file: Buffer, arch: "amd64" | "arm64"): void {
  // Latin-1, so that a character is a byte.
  const found = [...file.toString("latin1").matchAll(DEFAULTS[arch])];
  if (found.length !== 1)
    throw new Error(`blocks are warmed up at ${found.length} places: build/warm-up.ts is out of date`);
  const [{ index, 0: opcode }] = found as [RegExpExecArray];
  if (arch === "amd64") file.writeUInt32LE(0, index + opcode.length);
  // mov x9, #0
  else file.writeUInt32LE(0xd280_0009, index);
}
