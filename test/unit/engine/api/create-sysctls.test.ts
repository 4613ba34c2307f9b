import { expect, test } from "bun:test";
import { Call } from "../../../../src/engine/api/call.ts";
import { adaptSysctls } from "../../../../src/engine/api/create-sysctls.ts";
import { Query } from "../../../../src/engine/api/query.ts";
import type { CreateBody } from "../../../../src/engine/container/config.ts";

const call = (version: string) => new Call(new Request("http://d/"), version, {}, new Query(""));
const body = (Sysctls: Record<string, string>, more: object = {}): CreateBody => ({
  HostConfig: { Sysctls, ...more },
});
const OPTION = "com.docker.network.endpoint.sysctls";

test("older clients' settings of eth0 become its endpoint's", () => {
  const sent = body({ "net.ipv4.conf.eth0.log_martians": "1", "net.ipv4.ip_forward": "1" });
  sent.NetworkingConfig = { EndpointsConfig: { default: { DriverOpts: { [OPTION]: "x" }, Aliases: ["a"] } } };
  expect(adaptSysctls(call("1.47"), sent)).toEqual([
    `Migrated sysctl "net.ipv4.conf.eth0.log_martians" to DriverOpts{"${OPTION}":"net.ipv4.conf.IFNAME.log_martians=1"}.`,
  ]);
  expect(sent.HostConfig!.Sysctls).toEqual({ "net.ipv4.ip_forward": "1" });
  expect(sent.NetworkingConfig.EndpointsConfig).toEqual({
    default: { Aliases: ["a"], DriverOpts: { [OPTION]: "net.ipv4.conf.IFNAME.log_martians=1,x" } },
  });
});

test("what nobody can know is refused, and so is all of it from 1.48 on", () => {
  expect(() => adaptSysctls(call("1.48"), body({ "net.ipv6.conf.eth0.forwarding": "1" }))).toThrow(
    `interface specific sysctl setting "net.ipv6.conf.eth0.forwarding" must be supplied using driver option '${OPTION}'`,
  );
  expect(() => adaptSysctls(call("1.47"), body({ "net.ipv6.conf.eth1.forwarding": "1" }))).toThrow(
    "unable to determine network endpoint for sysctl net.ipv6.conf.eth1.forwarding",
  );
  const other = body({ "net.ipv4.conf.eth0.log_martians": "1" }, { NetworkMode: "web" });
  other.NetworkingConfig = { EndpointsConfig: { back: {} } };
  expect(() => adaptSysctls(call("1.47"), other)).toThrow(
    "HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks",
  );
});

test("a container on the host's network has no endpoint of its own", () => {
  const sent = body({ "net.ipv4.conf.eth0.log_martians": "1" }, { NetworkMode: "host" });
  expect(adaptSysctls(call("1.55"), sent)).toEqual([]);
});
