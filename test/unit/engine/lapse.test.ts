import { expect, test } from "bun:test";
import { Lapse } from "../../../src/engine/lapse.ts";

test("what nobody used for so long is forgotten, once, and again after the next use", async () => {
  let forgotten = 0;
  const lapse = new Lapse(() => forgotten++, 100);
  // Ten uses, each within the time of the one before: longer than it, together.
  for (let n = 0; n < 10; n++) {
    lapse.used();
    await Bun.sleep(20);
  }
  expect(forgotten).toBe(0);
  await Bun.sleep(300);
  expect(forgotten).toBe(1);
  lapse.used();
  await Bun.sleep(300);
  expect(forgotten).toBe(2);
});
