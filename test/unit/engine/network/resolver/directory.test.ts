import { beforeEach, describe, expect, test } from "bun:test";
import { Directory, type Family, reverseName } from "../../../../../src/engine/network/resolver/directory.ts";
import type { EndpointNames, SandboxNames } from "../../../../../src/engine/network/types.ts";
import { addressBytes } from "../../../../../src/ffi/netlink/ip.ts";

let directory: Directory;

const endpoint = (more: Partial<EndpointNames>): EndpointNames => ({
  id: `${more.container}-${more.network ?? "n1"}`,
  network: "n1",
  networkName: "front",
  container: "c",
  names: [],
  addresses: [],
  ...more,
});

const sandbox = (more: Partial<SandboxNames>): SandboxNames => ({
  id: "asker",
  netns: "/n",
  networks: ["n1", "n2"],
  links: {},
  upstreams: [],
  external: true,
  ...more,
});

function ask(name: string, family: Family = 4, who = "asker"): string[] | undefined {
  return directory.resolve(who, name, family)?.map((address) => address.join("."));
}

beforeEach(() => {
  directory = new Directory();
  directory.putSandbox(sandbox({}));
  directory.putEndpoint(
    endpoint({ container: "web", names: ["Web", "web-alias", "0123456789ab"], addresses: ["10.0.0.2"] }),
  );
  directory.putEndpoint(
    endpoint({
      container: "db",
      network: "n2",
      networkName: "back.end",
      names: ["db"],
      addresses: ["10.1.0.2", "fd00::2"],
    }),
  );
});

describe("a name", () => {
  test("is found in any of the asker's networks, in either case", () => {
    expect(ask("web")).toEqual(["10.0.0.2"]);
    expect(ask("web-alias")).toEqual(["10.0.0.2"]);
    expect(ask("0123456789ab")).toEqual(["10.0.0.2"]);
    expect(ask("db")).toEqual(["10.1.0.2"]);
  });
  test("of somebody without an address of the family is known, and has none", () => {
    expect(ask("web", 6)).toEqual([]);
    expect(ask("db", 6)).toHaveLength(1);
  });
  test("may be followed by its network's, dots in both", () => {
    expect(ask("db.back.end")).toEqual(["10.1.0.2"]);
    expect(ask("db.front")).toBeUndefined();
    directory.putEndpoint(endpoint({ container: "x", names: ["a.b"], addresses: ["10.0.0.9"] }));
    expect(ask("a.b")).toEqual(["10.0.0.9"]);
    expect(ask("a.b.front")).toEqual(["10.0.0.9"]);
  });
  test("in another network is nobody's", () => {
    directory.putSandbox(sandbox({ id: "other", networks: ["n1"] }));
    expect(ask("db", 4, "other")).toBeUndefined();
    expect(ask("web", 4, "other")).toEqual(["10.0.0.2"]);
    expect(ask("web", 4, "nobody")).toBeUndefined();
  });
  test("that two have is answered by both, each first in turn", () => {
    directory.putEndpoint(endpoint({ container: "web2", names: ["web"], addresses: ["10.0.0.3"] }));
    const first = new Set([ask("web")![0], ask("web")![0]]);
    expect(first).toEqual(new Set(["10.0.0.2", "10.0.0.3"]));
    directory.removeEndpoint("web-n1");
    expect(ask("web")).toEqual(["10.0.0.3"]);
  });
  test("is gone with its endpoint, and another is there after it was put anew", () => {
    directory.putEndpoint(endpoint({ id: "new", container: "web", names: ["new"], addresses: ["10.0.0.4"] }));
    directory.removeEndpoint("web-n1");
    expect(ask("web")).toBeUndefined();
    expect(ask("new")).toEqual(["10.0.0.4"]);
    directory.putEndpoint(endpoint({ id: "new", container: "web", names: ["newer"], addresses: [] }));
    expect(ask("new")).toBeUndefined();
    expect(ask("newer")).toEqual([]);
  });
});

test("a link is a name for one asker alone, and stronger than another's name", () => {
  directory.putSandbox(sandbox({ links: { web: "db", Store: "db" } }));
  directory.putSandbox(sandbox({ id: "other" }));
  expect(ask("web")).toEqual(["10.1.0.2"]);
  expect(ask("store")).toEqual(["10.1.0.2"]);
  expect(ask("store.back.end")).toEqual(["10.1.0.2"]);
  expect(ask("store", 4, "other")).toBeUndefined();
  expect(ask("web", 4, "other")).toEqual(["10.0.0.2"]);
});

test("an address has the first of its names, with the network's", () => {
  expect(directory.reverse("asker", "2.0.0.10.in-addr.arpa")).toBe("Web.front");
  expect(directory.reverse("asker", reverseName(addressBytes("fd00::2")))).toBe("db.back.end");
  expect(directory.reverse("asker", "9.0.0.10.in-addr.arpa")).toBeUndefined();
  expect(reverseName(addressBytes("fd00::2"))).toBe(`2.${"0.".repeat(27)}0.0.d.f.ip6.arpa`);
});
