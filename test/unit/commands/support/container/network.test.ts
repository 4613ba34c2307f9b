import { describe, expect, test } from "bun:test";
import { CONTAINER_FLAGS } from "../../../../../src/commands/support/container/flags.ts";
import { endpoints } from "../../../../../src/commands/support/container/network.ts";
import { parseExpose, parsePublish } from "../../../../../src/commands/support/container/ports.ts";
import { parseFlags } from "../../../../../src/commands/support/flags.ts";

const flagsOf = (...words: string[]) => parseFlags(words, CONTAINER_FLAGS).flags;
const endpointsOf = (...words: string[]) => endpoints(flagsOf(...words));

describe("--network", () => {
  test("has options of its own, and those of the older flags for the first", () => {
    const { mode, endpoints } = endpointsOf(
      ...["--network", "name=web,alias=a,gw-priority=-5,driver-opt= k =v=w", "--network", "other"],
      ...["--ip", "10.0.0.9", "--link-local-ip", "169.254.1.1"],
    );
    expect(mode).toBe("web");
    expect(endpoints).toMatchObject({
      web: {
        Aliases: ["a"],
        GwPriority: -5,
        DriverOpts: { k: "v=w" },
        IPAMConfig: { IPv4Address: "10.0.0.9", LinkLocalIPs: ["169.254.1.1"] },
      },
      other: { Aliases: null, IPAMConfig: null },
    });
  });

  test("without a key and a value is a name", () => {
    for (const name of ["name=", "="]) expect(endpointsOf("--network", name).mode).toBe(name);
  });

  test.each<[string[], string]>([
    [["--network", "name=web,gw-priority=x"], "invalid gw-priority (x): invalid syntax"],
    [["--network", "name=web,driver-opt=foo"], "invalid key value pair format in driver options"],
    [["--network", "name=web,foo=1"], "invalid field key foo"],
    [["--network", "name=web,=1"], "invalid field =1"],
    [["--network", "name=web,mac-address=zz"], "zz is not a valid mac address"],
    [["--network", "alias=web"], "network name/id is not specified"],
    [["--network", ""], "no name set for network"],
    [["--network", "host", "--network-alias", "a"], "aliases are only supported for user-defined networks"],
    [["--network-alias", "a"], "network-scoped aliases are only supported for user-defined networks"],
    [["--network", "a", "--network", "a"], 'network "a" is specified multiple times'],
    [["--network", "a", "--network", "host"], "cannot attach both user-defined and non-user-defined"],
    [
      ["--network", "name=a,ip=10.0.0.1", "--ip", "10.0.0.2"],
      "conflicting options: cannot specify both --ip and per-network IPv4 address",
    ],
    [
      ["--network", "name=a,link-local-ip=169.254.1.1", "--link-local-ip", "169.254.1.2"],
      "conflicting options: cannot specify both --link-local-ip and per-network link-local IP addresses",
    ],
  ])("%p is refused in the words of docker", (words, message) => {
    expect(() => endpointsOf(...words)).toThrow(message);
  });
});

test("search domains are names, or a dot for none", () => {
  const domains = flagsOf("--dns-search", "a.Example.", "--dns-search", ".").list("dns-search");
  expect(domains).toEqual(["a.Example", "."]);
  for (const bad of ["bad_domain!", "-a", "1.2", "a..b", ""])
    expect(() => flagsOf("--dns-search", bad)).toThrow(`${bad} is not a valid domain`);
});

describe("-p", () => {
  const any = [{ HostIp: "", HostPort: "" }];
  test.each<[string, object]>([
    ["80/", { "80/tcp": any }],
    ["published=8080,target=80,protocol=udp,foo=1", { "80/udp": [{ HostIp: "", HostPort: "8080" }] }],
    ["target=80", { "80/tcp": any }],
    ["[::1]:8080:80/TCP", { "80/tcp": [{ HostIp: "::1", HostPort: "8080" }] }],
    ["::1:8080:80", { "80/tcp": [{ HostIp: "::1", HostPort: "8080" }] }],
  ])("%s", (word, bindings) => {
    expect(parsePublish([word]).bindings as object).toEqual(bindings);
  });

  test.each<[string, string]>([
    ["", "no port specified: <empty>"],
    ["/tcp", "no port specified: /tcp<empty>"],
    ["published=80", "no port specified: 80:/tcp<empty>"],
    ["=", "invalid publish opts format (should be name=value but got '=')"],
    ["target=80,published", "invalid publish opts format (should be name=value but got 'published')"],
    ["[::1:80:80", "invalid IP address [::1: address [::1:: missing ']' in address"],
    ["fe80::1%lan:80:80", "invalid IP address: fe80::1%lan"],
    ["localhost:80:80", "invalid IP address: localhost"],
    ["90-80:80", "invalid hostPort: 90-80"],
    ["80/dccp", "invalid proto: dccp"],
  ])("%p is refused: %s", (word, message) => {
    expect(() => parsePublish([word])).toThrow(message);
  });
});

test("--expose takes a port or a range of them", () => {
  expect(["80/", "53/UDP", "8000-8001"].flatMap(parseExpose)).toEqual([
    "80/tcp",
    "53/udp",
    "8000/tcp",
    "8001/tcp",
  ]);
  for (const [word, reason] of [
    ["", "empty string specified for ports"],
    ["/tcp", "empty string specified for ports"],
    ["80-", 'strconv.ParseUint: parsing "": invalid syntax'],
    ["99999", 'strconv.ParseUint: parsing "99999": value out of range'],
    ["90-80", "invalid range specified for port: 90-80"],
  ] as const)
    expect(() => parseExpose(word)).toThrow(`invalid range format for --expose: ${word}, error: ${reason}`);
});
