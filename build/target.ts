/** The platforms that a release holds, and what each is called by Bun, by npm and by us. */

export interface Target {
  /** Go's name, as in the released file's. */
  readonly arch: "amd64" | "arm64";
  readonly libc: "glibc" | "musl";
  /** npm package of the Bun that the file is made of; its version and checksum are in package-lock.json. */
  readonly base: string;
}

export const TARGETS: readonly Target[] = [
  { arch: "amd64", libc: "glibc", base: "@oven/bun-linux-x64" },
  { arch: "arm64", libc: "glibc", base: "@oven/bun-linux-aarch64" },
  { arch: "amd64", libc: "musl", base: "@oven/bun-linux-x64-musl" },
  { arch: "arm64", libc: "musl", base: "@oven/bun-linux-aarch64-musl" },
];

/** `tsd-linux-amd64`, `tsd-linux-arm64-musl`, … */
export const fileName = ({ arch, libc }: Target): string =>
  `tsd-linux-${arch}${libc === "musl" ? "-musl" : ""}`;

/** The target that runs on this machine. */
export function hostTarget(): Target {
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const libc = report?.header?.glibcVersionRuntime === undefined ? "musl" : "glibc";
  const target = TARGETS.find((candidate) => candidate.arch === arch && candidate.libc === libc);
  if (target === undefined) throw new Error(`no build for ${process.arch}`);
  return target;
}
