import { describe, expect, test } from "bun:test";
import { advertising } from "../../../../src/engine/network/driver-options.ts";

const COUNT = "com.docker.network.advertise_addr_nmsgs";
const MS = "com.docker.network.advertise_addr_ms";

describe("announcing addresses", () => {
  test("is done three times, a second apart, unless it is asked otherwise", () => {
    expect(advertising({})).toEqual({ count: 3, ms: 1000 });
    expect(advertising({ [COUNT]: "0", [MS]: "100" })).toEqual({ count: 0, ms: 100 });
  });

  test.each([
    [{ [COUNT]: "x" }, `value for option ${COUNT} "x" must be an integer`],
    [{ [COUNT]: "4" }, `${COUNT} must be in the range 0 to 3`],
    [{ [MS]: "1s" }, `value for option ${MS} "1s" must be integer milliseconds`],
    [
      { [MS]: "99", [COUNT]: "-1" },
      `${COUNT} must be in the range 0 to 3\n${MS} must be in the range 100 to 2000`,
    ],
  ])("%p is refused in Docker's words", (options, message) => {
    expect(() => advertising(options)).toThrow(message);
  });
});
