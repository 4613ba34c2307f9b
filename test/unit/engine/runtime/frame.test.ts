import { expect, test } from "bun:test";
import { decodeFrame, encodeFrame, FRAME, FRAME_SIZE } from "../../../../src/engine/runtime/frame.ts";

test("a frame is sixteen bytes: type, argument, generation, value, all little-endian", () => {
  const bytes = encodeFrame({ type: FRAME.EXIT, a: 137, generation: 3, value: 1_795_245_933_585_285_930n });
  expect(bytes.length).toBe(FRAME_SIZE);
  expect(Buffer.from(bytes).toString("hex")).toBe(`0300890003000000${hexOf(1_795_245_933_585_285_930n)}`);
  expect(decodeFrame(bytes)).toEqual({ type: 3, a: 137, generation: 3, value: 1_795_245_933_585_285_930n });
});

test("the frames of version 1 keep their numbers: older keepers speak them", () => {
  expect(FRAME).toEqual({
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
  });
});

function hexOf(value: bigint): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, value, true);
  return Buffer.from(view.buffer).toString("hex");
}
