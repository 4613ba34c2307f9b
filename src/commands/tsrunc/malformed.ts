/** What is wrong with a document of the caller's, when JavaScript only says where it stumbled over it. */
/** An error in Go's words, if the document is not what it should be, which runc sees first; or else the error that there was. */
export async function malformed(
  error: unknown,
  document: () => string,
  kind: "spec" | "process",
): Promise<unknown> {
  const [{ decodeJson }, schemas] = await Promise.all([
    import("../../engine/json/decode.ts"),
    import("../../engine/runtime/spec-schema.ts"),
  ]);
  try {
    decodeJson(document(), kind === "spec" ? schemas.specSchema : schemas.processSchema);
  } catch (wrong) {
    return new Error((wrong as Error).message.replace(/^invalid JSON: /, ""), { cause: error });
  }
  return error;
}
