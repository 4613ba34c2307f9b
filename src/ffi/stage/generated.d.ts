/** Made by build/stage.ts from the C files beside this one, for every architecture; base64 of a static ELF file. */
export const STAGE: Readonly<Record<"x86_64" | "aarch64", string>>;
