/** What a tmpfs with `tmpcopyup` begins with: looked up in the root file system before the container starts. */
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import type { Copies, Entry } from "../../engine/runtime/copy-up.ts";
import type { Mount } from "../../engine/runtime/spec.ts";
import { AT, O, OPEN_HOW_SIZE, RESOLVE, S } from "../../ffi/file.ts";
import { check, closeFd, cstring, sys } from "../../ffi/libc.ts";

/** As much as a plan has room for. */
const MOST = 10_000;

export function copiesOf(mounts: readonly Mount[], rootfs: string): Copies {
  const copies = new Map<string, Entry[]>();
  for (const { destination, options } of mounts)
    if (options?.includes("tmpcopyup")) copies.set(destination, entriesOf(rootfs, destination));
  return copies;
}

/** Links on the way lead where they lead inside the root; those in the folder are not followed. */
function entriesOf(rootfs: string, destination: string): Entry[] {
  const root = check(
    sys("openat", AT.AT_FDCWD, cstring(rootfs), O.O_PATH | O.O_DIRECTORY | O.O_CLOEXEC, 0),
    `open ${rootfs}`,
  );
  const how = new BigUint64Array(OPEN_HOW_SIZE / 8);
  how[0] = BigInt(O.O_PATH | O.O_DIRECTORY | O.O_CLOEXEC);
  how[2] = BigInt(RESOLVE.RESOLVE_IN_ROOT | RESOLVE.RESOLVE_NO_MAGICLINKS);
  const folder = sys("openat2", root, cstring(destination), how, OPEN_HOW_SIZE);
  closeFd(root);
  // One that is not there is made, and is empty.
  if (folder < 0) return [];
  try {
    const entries: Entry[] = [];
    walk(`/proc/self/fd/${folder}/.`, "", entries);
    if (entries.length > MOST)
      throw new Error(`tmpcopyup: ${destination} has more than ${MOST} files and folders`);
    return entries;
  } finally {
    closeFd(folder);
  }
}

function walk(top: string, path: string, entries: Entry[]): void {
  const file = path === "" ? top : `${top}/${path}`;
  const status = lstatSync(file);
  const { mode, uid, gid, size, rdev: device } = status;
  const entry = { path, mode, uid, gid, size };
  const type = mode & S.S_IFMT;
  // Nobody listens at a socket that is a copy.
  if (entries.length > MOST || status.isSocket()) return;
  if (type === S.S_IFREG) entries.push({ ...entry, kind: "file" });
  else if (type === S.S_IFLNK) entries.push({ ...entry, kind: "link", target: readlinkSync(file) });
  else if (type !== S.S_IFDIR) entries.push({ ...entry, kind: "node", device });
  else {
    entries.push({ ...entry, kind: "folder" });
    for (const name of readdirSync(file).sort()) walk(top, path === "" ? name : `${path}/${name}`, entries);
  }
}
