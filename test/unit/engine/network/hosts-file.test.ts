import { expect, test } from "bun:test";
import {
  hostsText,
  ownNames,
  withAddress,
  withEntries,
  withoutEntries,
  withoutName,
} from "../../../../src/engine/network/hosts-file.ts";

const OWN = { address: "172.17.0.2", names: "box.example.org box" };

test("a container knows itself by its full name and the first part of it", () => {
  expect(ownNames("box", "example.org")).toBe("box.example.org box");
  expect(ownNames("box.example.org", "")).toBe("box.example.org box");
  expect(ownNames("box", "")).toBe("box");
});

test("Docker's lines come first", () => {
  expect(hostsText([OWN])).toBe(`127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
172.17.0.2\tbox.example.org box
`);
});

test("where IPv6 is switched off there is nothing of it", () => {
  expect(hostsText([OWN, { address: "fd00::2", names: "box" }], false)).toBe(
    "127.0.0.1\tlocalhost\n172.17.0.2\tbox.example.org box\n",
  );
});

test("what an endpoint adds goes with it, and what somebody wrote stays", () => {
  const edited = `${hostsText([])}10.0.0.1\tmine\n`;
  const more = withEntries(edited, [OWN]);
  expect(more).toEndWith("10.0.0.1\tmine\n172.17.0.2\tbox.example.org box\n");
  expect(withoutEntries(more, [OWN])).toBe(edited);
});

test("a linked container that has another address is found there, by each family", () => {
  const text = "172.17.0.2\tdb c1 base\nfd00::2\tdb c1 base\n172.17.0.3\tdb2\n";
  const moved = withAddress(withAddress(text, "db", "172.17.0.9"), "db", "fd00::9");
  expect(moved).toBe("172.17.0.9\tdb c1 base\nfd00::9\tdb c1 base\n172.17.0.3\tdb2\n");
  expect(withoutName(moved, "db")).toBe("172.17.0.3\tdb2\n");
});
