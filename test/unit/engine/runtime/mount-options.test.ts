import { expect, test } from "bun:test";
import { parseMountOptions } from "../../../../src/engine/runtime/mount-options.ts";
import { MOUNT_ATTR as A, MS } from "../../../../src/ffi/mount.ts";

test("attributes of the mount are told from data of the file system", () => {
  const parsed = parseMountOptions(["nosuid", "noexec", "nodev", "size=65536k", "mode=1777", "inode64"]);
  expect(parsed.mount.set).toBe(A.MOUNT_ATTR_NOSUID | A.MOUNT_ATTR_NOEXEC | A.MOUNT_ATTR_NODEV);
  expect(parsed.data).toEqual([
    { key: "size", value: "65536k" },
    { key: "mode", value: "1777" },
    { key: "inode64" },
  ]);
  expect(parsed.bind).toBe(false);
});

test("a later option undoes an earlier one", () => {
  expect(parseMountOptions(["ro", "rw"]).mount).toEqual({ set: 0, clear: A.MOUNT_ATTR_RDONLY });
  expect(parseMountOptions(["rw", "ro"]).mount).toEqual({ set: A.MOUNT_ATTR_RDONLY, clear: 0 });
});

test("the access time is one field: setting it clears what was there", () => {
  expect(parseMountOptions(["noatime"]).mount).toEqual({
    set: A.MOUNT_ATTR_NOATIME,
    clear: A.MOUNT_ATTR__ATIME,
  });
  expect(parseMountOptions(["noatime", "strictatime"]).mount.set).toBe(A.MOUNT_ATTR_STRICTATIME);
});

test("rro is of the whole tree, and rbind, rprivate, relatime are not mistaken for such", () => {
  const parsed = parseMountOptions(["rbind", "rro", "rprivate", "relatime"]);
  expect(parsed.tree.set).toBe(A.MOUNT_ATTR_RDONLY);
  expect(parsed.mount).toEqual({ set: 0, clear: A.MOUNT_ATTR__ATIME });
  expect(parsed).toMatchObject({
    bind: true,
    recursive: true,
    propagation: [MS.MS_PRIVATE | MS.MS_REC],
    data: [],
  });
});
