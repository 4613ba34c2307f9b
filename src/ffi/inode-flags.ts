/** What a file system is told about a folder. @source ioctl_iflags(2), chattr(1) */
import { closeSync, openSync } from "node:fs";
import { O } from "./file.ts";
import { sys } from "./libc.ts";

const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_TOPDIR_FL = 0x20000;

/**
 * The folders in this one have nothing to do with each other, and may lie far apart. ext4 else puts all into one group of
 * inodes, of which it does not use one again for a minute after it was free: where many come and go, it looks for each new
 * file through thousands. A file system that knows nothing of this stays as it is.
 */
export function spreadFolders(path: string): void {
  const fd = openSync(path, O.O_RDONLY | O.O_DIRECTORY);
  try {
    const flags = new Uint32Array(2);
    if (sys("ioctl", fd, FS_IOC_GETFLAGS, flags) < 0 || (flags[0]! & FS_TOPDIR_FL) !== 0) return;
    flags[0] = flags[0]! | FS_TOPDIR_FL;
    sys("ioctl", fd, FS_IOC_SETFLAGS, flags);
  } finally {
    closeSync(fd);
  }
}
