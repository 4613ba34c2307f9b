/**
 * Seccomp filters that were compiled before, kept below tsrunc's root: compiling Docker's default profile takes 2 ms
 * of a program that has just started, reading it back 0.1. An entry holds the whole profile that it was made of, so
 * none is ever taken for another's, and is used only when nobody else could have written it.
 */
import { isNone } from "../../engine/runtime/seccomp-steps.ts";
import type { Seccomp } from "../../engine/runtime/spec.ts";
import { VERSION } from "../../engine/version.ts";
import { makeFolders, readOwn, replaceFile } from "../../ffi/host.ts";
import { ARCH } from "../../ffi/syscalls.ts";

/** No container's id can have the "@". */
const FOLDER = "seccomp@";
/** Entries are named by a part of the profile's hash, and make way for another of the same name: so many at most. */
const ENTRIES = 64n;
/** Raise it when the same profile is compiled differently without a new version. */
const COMPILER = 1;

/** Checksum of what follows (u64), length of the profile (u64), the profile, the filter. */
const HEADER = 16;

/** The filter of a profile, as `compileFilter` makes it. Throws an `EngineError` for a profile that is none. */
export async function filterOf(profile: Seccomp | undefined, root: string): Promise<Uint8Array | undefined> {
  if (!profile || isNone(profile)) return undefined;
  const key = `${VERSION} ${COMPILER} ${ARCH} ${JSON.stringify(profile)}`;
  const folder = `${root}/${FOLDER}`;
  const path = `${folder}/${Bun.hash.wyhash(key) % ENTRIES}`;
  const kept = readEntry(readOwn(path), key);
  if (kept) return kept;
  const { compileFilter } = await import("../../engine/runtime/seccomp.ts");
  const filter = compileFilter(profile);
  try {
    makeFolders(folder, 0o700);
    replaceFile(path, entryOf(key, filter), 0o600);
  } catch {
    // A full disk, or a root that is read-only: compiled every time then.
  }
  return filter;
}

/** A file that a crash has cut short, or a profile of the same name, is no entry. */
export function readEntry(file: Uint8Array | undefined, key: string): Uint8Array | undefined {
  if (!file || file.length < HEADER) return undefined;
  const view = new DataView(file.buffer, file.byteOffset);
  if (view.getBigUint64(0, true) !== Bun.hash.wyhash(file.subarray(8))) return undefined;
  const end = HEADER + Number(view.getBigUint64(8, true));
  // As text: the first use of `Buffer`, which could compare bytes, takes 0.1 ms
  return new TextDecoder().decode(file.subarray(HEADER, end)) === key ? file.subarray(end) : undefined;
}

export function entryOf(key: string, filter: Uint8Array): Uint8Array {
  const bytes = new TextEncoder().encode(key);
  const file = new Uint8Array(HEADER + bytes.length + filter.length);
  const view = new DataView(file.buffer);
  view.setBigUint64(8, BigInt(bytes.length), true);
  file.set(bytes, HEADER);
  file.set(filter, HEADER + bytes.length);
  view.setBigUint64(0, Bun.hash.wyhash(file.subarray(8)), true);
  return file;
}
