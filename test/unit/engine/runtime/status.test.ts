import { expect, test } from "bun:test";
import { readStatus, STATUS_SIZE } from "../../../../src/engine/runtime/status.ts";

function page(
  records: [process: number, state: number, step: number, errno: number][],
  log = "",
): Uint8Array {
  const bytes = new Uint8Array(STATUS_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [process, state, step, errno] of records) {
    view.setUint32(process * 16, state, true);
    view.setUint32(process * 16 + 4, step, true);
    view.setInt32(process * 16 + 8, errno, true);
  }
  bytes.set(new TextEncoder().encode(log), 256);
  return bytes;
}

test("a plan that still runs or has ended well has no failure", () => {
  expect(
    readStatus(
      page([
        [0, 1, 7, 0],
        [1, 1, 9, 0],
      ]),
    ).failed,
  ).toBeUndefined();
});

test("the failure that caused the others is told, not the hang-up that they saw", () => {
  expect(
    readStatus(
      page([
        [0, 2, 3, 104],
        [1, 2, 9, 13],
      ]),
    ).failed,
  ).toEqual({ process: 1, step: 9, errno: 13 });
  expect(
    readStatus(
      page([
        [0, 2, 3, 13],
        [1, 2, 9, 32],
      ]),
    ).failed,
  ).toEqual({ process: 0, step: 3, errno: 13 });
});

test("the file system's own words are one printable line", () => {
  expect(readStatus(page([[1, 2, 9, 22]], "e overlay: bad\n\x1b[31mthing\n")).log).toBe(
    "overlay: bad [31mthing",
  );
});

test("a page full of rubbish is read without harm", () => {
  const rubbish = new Uint8Array(STATUS_SIZE).fill(0xff);
  expect(readStatus(rubbish).failed).toBeUndefined();
  new DataView(rubbish.buffer).setUint32(0, 2, true);
  expect(readStatus(rubbish).failed).toEqual({ process: 0, step: 0xffffffff, errno: -1 });
});
