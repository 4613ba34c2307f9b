import { describe, expect, test } from "bun:test";
import { endpointSysctls } from "../../../../../src/engine/network/wiring/sysctls.ts";
import { endpointRecord, networkRecord } from "../../../../support/wiring.ts";

const sysctls = (asked: string) =>
  endpointSysctls(
    endpointRecord(networkRecord("n", 1), 2, {
      link: "eth1",
      driverOpts: { "com.docker.network.endpoint.sysctls": asked },
    }),
  );

describe("sysctls of an endpoint", () => {
  test("are files of its own link, whatever link they name", () => {
    expect(sysctls("net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.eth0.accept_ra=2")).toEqual([
      { path: "net/ipv4/conf/eth1/log_martians", value: "1" },
      { path: "net/ipv6/conf/eth1/accept_ra", value: "2" },
    ]);
    expect(sysctls("")).toEqual([]);
  });

  test.each([
    [
      "net.ipv4.conf.IFNAME.log_martians",
      "expected sysctl 'net.ipv4.conf.IFNAME.log_martians' to have format name=value",
    ],
    ["net.ipv4.ip_forward=1", "expected sysctl 'net.ipv4.ip_forward=1' to have format net.X.Y.IFNAME.Z"],
  ])("%s is refused", (asked, message) => {
    expect(() => sysctls(asked)).toThrow(message);
  });

  test.each([
    "net.ipv4.conf.IFNAME./../../x=1",
    "kernel.a.b.IFNAME.c=1",
    "net.ipv4/../../kernel.conf.IFNAME.x=1",
  ])("%s leads nowhere else", (asked) => {
    expect(() => sysctls(asked)).toThrow(/is not a sysctl file|to have format/);
  });
});
