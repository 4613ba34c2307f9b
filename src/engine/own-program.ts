/**
 * The words that start this program under another of its names: from source it is Bun with our main file. By way of
 * /proc, since the file may have been replaced or removed under us, and another build would not do.
 */
export const ownProgram = (name: "ts-shim" | "ts-unpack" | "ts-copy"): string[] =>
  Bun.main.startsWith("/$bunfs/")
    ? ["/proc/self/exe", name]
    : ["/proc/self/exe", new URL("../main.ts", import.meta.url).pathname, name];
