import { expect, test } from "bun:test";
import { naturalOrder } from "../../../../../src/commands/support/natural-order.ts";
import { gatherIpam } from "../../../../../src/commands/support/network/ipam.ts";
import { driverOptions } from "../../../../../src/commands/support/network/words.ts";

const NONE = { subnets: [], ranges: [], gateways: [], auxiliary: [] };

test("what is said of addresses goes to the subnet that it is in", () => {
  expect(
    gatherIpam({
      subnets: ["10.1.0.0/16", "fd00::/64"],
      ranges: ["10.1.2.0/24"],
      gateways: ["fd00::1", "10.1.0.254"],
      auxiliary: [
        ["router", "10.1.0.5"],
        ["printer", "10.1.0.6"],
      ],
    }),
  ).toEqual([
    {
      Subnet: "10.1.0.0/16",
      IPRange: "10.1.2.0/24",
      Gateway: "10.1.0.254",
      AuxiliaryAddresses: { router: "10.1.0.5", printer: "10.1.0.6" },
    },
    { Subnet: "fd00::/64", Gateway: "fd00::1" },
  ]);
});

test("what has no subnet, or too many, is refused in the words of Docker's client", () => {
  for (const [words, message] of [
    [{ gateways: ["10.1.0.1"] }, "every ip-range or gateway must have a corresponding subnet"],
    [{ subnets: ["bad"], gateways: ["10.0.0.1"] }, "invalid subnet: invalid CIDR address: bad"],
    [
      { subnets: ["10.1.0.0/16", "10.1.2.0/24"] },
      "multiple overlapping subnet configuration is not supported",
    ],
    [{ subnets: ["10.1.0.0/16"], gateways: ["10.2.0.1"] }, "no matching subnet for gateway 10.2.0.1"],
    [{ subnets: ["10.1.0.0/16"], ranges: ["10.2.0.0/24"] }, "no matching subnet for range 10.2.0.0/24"],
    [{ subnets: ["10.1.0.0/16"], auxiliary: [["a", "::1"]] }, "no matching subnet for aux-address ::1"],
    [
      { subnets: ["10.1.0.0/16", "10.2.0.0/16"], gateways: ["10.1.0.1", "10.1.0.2"] },
      "cannot configure multiple gateways (10.1.0.2, 10.1.0.1) for the same subnet (10.1.0.0/16)",
    ],
  ] as const) {
    expect(() => gatherIpam({ ...NONE, ...words } as never)).toThrow(message);
  }
});

test("names are sorted as people count", () => {
  expect(["web10", "web2", "a", "web", "web02", "B"].toSorted(naturalOrder)).toEqual([
    "B",
    "a",
    "web",
    "web2",
    "web02",
    "web10",
  ]);
});

test("options of a driver have a key and a value", () => {
  expect(driverOptions([" a = b=c "])).toEqual({ a: "b=c" });
  expect(() => driverOptions(["a"])).toThrow("invalid key/value pair format in driver options");
});
