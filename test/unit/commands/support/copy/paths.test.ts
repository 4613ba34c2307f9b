import { expect, test } from "bun:test";
import {
  arrange,
  rebase,
  splitArgument,
  splitEntry,
} from "../../../../../src/commands/support/copy/paths.ts";

test("a colon names a container, unless the word starts like a path", () => {
  expect(splitArgument("c:/x")).toEqual({ container: "c", path: "/x" });
  expect(splitArgument("/c:/x")).toEqual({ container: "", path: "/c:/x" });
  expect(splitArgument("./c:/x")).toEqual({ container: "", path: "./c:/x" });
});

test("a trailing dot stands for what is in a folder", () => {
  expect(splitEntry("/a/b/")).toEqual({ folder: "/a", base: "b" });
  expect(splitEntry("/a/b/.")).toEqual({ folder: "/a/b", base: "." });
});

test("where things go", () => {
  const folder = { path: "/d", exists: true, isFolder: true };
  const absent = { path: "/d/new", exists: false, isFolder: false };
  const file = { path: "/d/f", exists: true, isFolder: false };
  expect(arrange({ path: "/s", isFolder: true }, folder)).toEqual({ folder: "/d", from: "s", to: "s" });
  expect(arrange({ path: "/s", isFolder: true }, absent)).toEqual({ folder: "/d", from: "s", to: "new" });
  expect(arrange({ path: "/s", isFolder: false }, file)).toEqual({ folder: "/d", from: "s", to: "f" });
  expect(() => arrange({ path: "/s", isFolder: true }, file)).toThrow("cannot copy directory");
  expect(() => arrange({ path: "/s", isFolder: false }, { ...absent, path: "/d/new/" })).toThrow(
    "no such directory",
  );
});

test("names in an archive", () => {
  expect(rebase("s/a/s", "s", "new")).toBe("new/a/s");
  expect(rebase("./a", ".", "new")).toBe("new/a");
});
