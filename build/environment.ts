/**
 * Bun obeys names in its environment that bring other people's code, or their choices, into a program that runs as
 * root. In the base executable each of them is overwritten, at the same length, so that nothing reads it.
 * `NODE_OPTIONS` is not here: Bun 1.4.5 does not read it; the check of the finished file covers it all the same.
 */

/** Read by native code only: overwritten with NULs, which no variable's name can hold. */
const ERASED: readonly string[] = [
  "BUN_OPTIONS", // --preload: any file's code
  "BUN_BE_BUN", // the program becomes Bun itself
  "BUN_INSPECT_PRELOAD",
  "BUN_INSPECT_CONNECT_TO", // a debugger evaluates code
  "BUN_BYTECODE_ORDER_OUT", // writes a file where it is told
  "BUN_BYTECODE_ORDER_NAMES_OUT",
  "BUN_BYTECODE_DIGEST_OUT",
  "BUN_CONFIG_VERBOSE_FETCH", // prints a registry's tokens
];

/** Also named in Bun's own JavaScript, where a NUL would be a syntax error: these get a name that nobody sets. */
const RENAMED: Readonly<Record<string, string>> = {
  BUN_INSPECT_NOTIFY: "_no_inspect_notify",
  NODE_CHANNEL_FD: "_no_channel_fd_",
  NODE_UNIQUE_ID: "_no_unique_id_",
  NODE_TLS_REJECT_UNAUTHORIZED: "_no_tls_reject_unauthorized_",
  disallow_os_alloc: "=_no_such_option_", // mimalloc's, with which no program starts
};

/**
 * All other names of Bun's own, as native code holds them: whole strings behind a NUL. Among them are
 * `BUN_FEATURE_FLAG_NO_ORPHANS`, which kills children, and `BUN_TRACE`, which writes a file.
 */
const OTHERS = /\x00BUN_[A-Z]{2}/g;
const PREFIX = "\0\0\0\0\0";
/** The version of Bun's exported symbols and an exported plugin's name are no variables. */
const SYMBOLS = /^(BUN_\d|BUN_PLUGIN_NAME)/;

/**
 * Overwrites the names in `file`, in place.
 * @returns how often each was found; one that was not found at all is a Bun that works differently from what we know.
 */
export function overwriteNames(file: Buffer): Map<string, number> {
  const found = new Map<string, number>();
  // Longest first: BUN_INSPECT is the beginning of others.
  const names = [...ERASED, "BUN_INSPECT", ...Object.keys(RENAMED)].sort((a, b) => b.length - a.length);
  for (const name of names) {
    const replacement = Buffer.from(RENAMED[name] ?? "\0".repeat(name.length), "latin1");
    if (replacement.length !== name.length) throw new Error(`${name}: the replacement has another length`);
    let count = 0;
    for (let at = file.indexOf(name); at >= 0; at = file.indexOf(name, at + name.length)) {
      // Native strings may lie end to end without a separator, so only an underscore before says that this is the
      // end of a longer name.
      if (file[at - 1] === 0x5f) continue;
      replacement.copy(file, at);
      count++;
    }
    found.set(name, count);
  }
  let others = 0;
  // Latin-1, so that a character is a byte.
  for (const { index } of file.toString("latin1").matchAll(OTHERS)) {
    if (SYMBOLS.test(file.toString("latin1", index + 1, index + 20))) continue;
    file.write(PREFIX, index, "latin1");
    others++;
  }
  found.set("BUN_*", others);
  return found;
}

/** Each letter of `BUN_JSC_` against a byte of a variable's name: an instruction, and a jump away when it is another. */
const PREFIX_LETTERS = [..."BUN_JSC_"];
const LETTER_CODE: Readonly<Record<"amd64" | "arm64", (letter: string, at: number) => string>> = {
  // cmpb $letter, at(%r14); jne
  amd64: (letter, at) => `\\x41\\x80${at === 0 ? "\\x3e" : `\\x7e\\x0${at}`}${letter}\\x75[^]`,
  // cmp w10, #letter; b.ne; and the load of the next
  arm64: (letter) => {
    const cmp = (0x7100_015f | (letter.charCodeAt(0) << 10)) >>> 0;
    const bytes = [0, 8, 16, 24].map(
      (shift) => `\\x${((cmp >>> shift) & 255).toString(16).padStart(2, "0")}`,
    );
    return `${bytes.join("")}[^]{3}\\x54[^]{0,4}?`;
  },
};

/**
 * `BUN_JSC_…` sets the JavaScript engine's switches: `functionOverrides` brings a file's code, `useJIT=0` takes
 * dlopen away, an unknown one ends the program. The prefix is compared letter by letter, in code: the first jump to
 * the next variable, taken when the letter is not B, becomes one that is always taken.
 */
export function ignoreEngineSwitches(file: Buffer, arch: "amd64" | "arm64"): void {
  const code = new RegExp(PREFIX_LETTERS.map(LETTER_CODE[arch]).join(""), "g");
  const found = [...file.toString("latin1").matchAll(code)];
  if (found.length !== 1)
    throw new Error(`BUN_JSC_ is compared at ${found.length} places: build/environment.ts is out of date`);
  const jump = found[0]!.index + 4;
  if (arch === "amd64") file[jump] = 0xeb;
  else {
    // b.ne has its distance in bits 5 to 23, in words; b in bits 0 to 25.
    const distance = (file.readInt32LE(jump) << 8) >> 13;
    file.writeUInt32LE((0x1400_0000 | (distance & 0x3ff_ffff)) >>> 0, jump);
  }
}
