/** `os[/arch[/variant]]` as containerd reads it, and as the API's JSON carries it. */
import { Failure } from "../failure.ts";

export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

const SYSTEMS = new Set(
  `aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos`.split(
    " ",
  ),
);
const ARCHITECTURES = new Set(
  `386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm`.split(
    " ",
  ),
);

function architecture(given: string, variant: string): [string, string] {
  const arch = given.toLowerCase();
  if (arch === "i386") return ["386", ""];
  if (arch === "x86_64" || arch === "x86-64" || arch === "amd64")
    return ["amd64", variant === "v1" ? "" : variant];
  if (arch === "aarch64" || arch === "arm64")
    return ["arm64", variant === "8" || variant === "v8" ? "" : variant];
  if (arch === "armhf") return ["arm", "v7"];
  if (arch === "armel") return ["arm", "v6"];
  if (arch === "arm") return ["arm", variant === "" ? "v7" : variant.replace(/^(\d)$/, "v$1")];
  return [arch, variant];
}

/** @throws Failure in containerd's words, with what stands before them */
export function parsePlatform(text: string, before: string): Platform {
  const fail = (reason: string): never => {
    throw new Failure(`${before}: ${reason}: invalid argument`);
  };
  const parts = text.split("/");
  if (parts.length > 3) fail(`${JSON.stringify(text)}: cannot parse platform specifier`);
  for (const part of parts) {
    if (!/^[A-Za-z0-9_.-]+$/.test(part))
      fail(
        `${JSON.stringify(part)} is an invalid component of ${JSON.stringify(text)}: platform specifier component must match "^[A-Za-z0-9_.-]+$"`,
      );
  }
  const host = process.arch === "x64" ? "amd64" : process.arch;
  let [os = "", given, variant = ""] = parts as [string, string?, string?];
  os = os.toLowerCase() === "macos" ? "darwin" : os.toLowerCase();
  if (given === undefined) {
    const [arch, kind] = architecture(os, "");
    if (SYSTEMS.has(os)) return { os, architecture: host };
    if (!ARCHITECTURES.has(arch)) fail(`${JSON.stringify(text)}: unknown operating system or architecture`);
    return { os: "linux", architecture: arch, ...(kind ? { variant: kind } : {}) };
  }
  const [arch, kind] = architecture(given, variant);
  return { os, architecture: arch, ...(kind ? { variant: kind } : {}) };
}

/** The `platform` words of a query string, each with its `&` before it. */
export const platformQuery = (name: string, words: readonly string[]): string =>
  words
    .map((word) => `&${name}=${encodeURIComponent(JSON.stringify(parsePlatform(word, "invalid platform")))}`)
    .join("");
