import { expect, test } from "bun:test";
import { resolveUser } from "../../../../src/engine/container/user.ts";

const FILES = {
  "/etc/passwd":
    "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\n# a comment\nbroken\n",
  "/etc/group": "root:x:0:\napp:x:1001:\nwheel:x:10:app,root\nstaff:x:50:app\n",
};
const read = (path: keyof typeof FILES) => FILES[path];
const none = () => "";
const user = (words: string, add: string[] = [], from = read as typeof none) =>
  resolveUser(words, add, from as never);

test("nobody said who: root, with root's groups and home", () => {
  expect(user("")).toEqual({ uid: 0, gid: 0, additionalGids: [0, 10], home: "/root" });
});

test("a name takes its group, its other groups and its home", () => {
  expect(user("app")).toEqual({ uid: 1000, gid: 1001, additionalGids: [1001, 10, 50], home: "/home/app" });
});

test("a group given drops the user's other groups", () => {
  expect(user("app:wheel")).toMatchObject({ gid: 10, additionalGids: [10] });
  expect(user("app:77")).toMatchObject({ gid: 77, additionalGids: [77] });
  expect(user("app:77:88")).toMatchObject({ uid: 1000, gid: 77, additionalGids: [77] });
});

test("numbers need no entry", () => {
  expect(user("5:6", [], none)).toEqual({ uid: 5, gid: 6, additionalGids: [6], home: "/" });
  expect(user("1000")).toMatchObject({ uid: 1000, gid: 1001, home: "/home/app" });
});

test("--group-add takes names and numbers", () => {
  expect(user("", ["staff", "99"])).toMatchObject({ additionalGids: [0, 10, 50, 99] });
});

test("unknown names are said in Docker's words", () => {
  expect(() => user("nosuch")).toThrow("unable to find user nosuch: no matching entries in passwd file");
  expect(() => user("app:nosuch")).toThrow("unable to find group nosuch: no matching entries in group file");
  expect(() => user("", ["nosuch"])).toThrow(
    "unable to find group nosuch: no matching entries in group file",
  );
  expect(() => user("4294967296", [], none)).toThrow("uids and gids must be in range 0-2147483647");
});
