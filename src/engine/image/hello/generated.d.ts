/** Static executables of hello.c, base64; made by build/hello.ts. */
export const HELLO: { readonly x86_64: string; readonly aarch64: string };
