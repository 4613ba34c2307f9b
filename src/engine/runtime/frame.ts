/**
 * The frames of a control socket, both ways: 16 bytes, as in src/ffi/stage/plan.h. The protocol only grows: a
 * shim must understand the keepers of every older release.
 */
export const FRAME_SIZE = 16;

export const FRAME = {
  SYNC: 1,
  HELLO: 2,
  EXIT: 3,
  WATCH: 4,
  TAKEN: 5,
  REFUSED: 6,
  DISPLACED: 7,
  ANSWER: 32,
  TAKE: 33,
  CLOSE_STDIN: 34,
  END: 35,
  MORE: 36,
} as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

export interface Frame {
  /** One of `FRAME`, or something of a newer keeper's. */
  type: number;
  a: number;
  generation: number;
  value: bigint;
}

export function encodeFrame({ type, a, generation, value }: Frame): Uint8Array {
  const view = new DataView(new ArrayBuffer(FRAME_SIZE));
  view.setUint16(0, type, true);
  view.setUint16(2, a, true);
  view.setUint32(4, generation, true);
  view.setBigInt64(8, value, true);
  return new Uint8Array(view.buffer);
}

/** Reads the first `FRAME_SIZE` bytes. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_SIZE);
  return {
    type: view.getUint16(0, true),
    a: view.getUint16(2, true),
    generation: view.getUint32(4, true),
    value: view.getBigInt64(8, true),
  };
}
