/**
 * What bun:ffi is made of. The module around it is JavaScript that takes 0.2 ms to import: of programs that live for
 * ten, and need none of it.
 */
import type * as ffi from "bun:ffi";

interface Native {
  /** An error is returned, not thrown. */
  dlopen<Symbols extends Record<string, ffi.FFIFunction>>(
    path: string,
    symbols: Symbols,
  ): ffi.Library<Symbols> | Error;
  ptr: typeof ffi.ptr;
  read: typeof ffi.read;
}

const native = (Bun as unknown as { FFI: Native }).FFI;

export const { ptr, read } = native;

/** The numbers of bun:ffi. */
export const FFIType = { i32: 5, u32: 6, i64: 7, u64: 8, ptr: 12, i64_fast: 15 } as const as Pick<
  typeof ffi.FFIType,
  "i32" | "u32" | "i64" | "u64" | "ptr" | "i64_fast"
>;

export function dlopen<Symbols extends Record<string, ffi.FFIFunction>>(
  path: string,
  symbols: Symbols,
): ffi.Library<Symbols> {
  const opened = native.dlopen(path, symbols);
  if (opened instanceof Error) throw opened;
  return opened;
}
