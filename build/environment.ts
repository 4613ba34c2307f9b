/**
 * Bun obeys names in its environment that bring other people's code, or their choices, into a program that runs as
 * root. In the base executable each of them is overwritten, at the same length, so that nothing reads it.
 * `NODE_OPTIONS` and `BUN_JSC_*` are not here: Bun 1.4.5 does not read the first, and the second only tunes the
 * engine; the check of the finished file covers both.
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
};

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
  return found;
}
