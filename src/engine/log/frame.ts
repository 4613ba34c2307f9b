/**
 * Docker's framing of several streams in one (application/vnd.docker.multiplexed-stream): a byte that says
 * which, three zeros, the payload's length as u32 big-endian, the payload.
 * @source Engine API, ContainerAttach, "Stream format"
 */
export type StreamName = "stdout" | "stderr";

export const FRAME_HEADER = 8;

export function writeFrameHeader(into: Buffer, at: number, stream: StreamName, length: number): void {
  into.writeUInt32BE(stream === "stdout" ? 0x01000000 : 0x02000000, at);
  into.writeUInt32BE(length, at + 4);
}

/** A chunk with its header, in one buffer of its own: the chunk may be overwritten afterwards. */
export function frame(stream: StreamName, chunk: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(FRAME_HEADER + chunk.length);
  writeFrameHeader(framed, 0, stream, chunk.length);
  framed.set(chunk, FRAME_HEADER);
  return framed;
}
