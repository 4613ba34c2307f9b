/**
 * File systems in memory on folders of the host.
 * @source mount(2), umount2(2), tmpfs(5)
 */
import { ERRNO } from "./errno.ts";
import { check, cstring, sys } from "./libc.ts";
import { MNT } from "./mount.ts";

/** mount(2). */
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;

/** `size` in bytes; everybody may write, as in /tmp. `name` is what /proc/mounts shows as its source. */
export function mountTmpfs(name: string, folder: string, size: number): void {
  const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const data = cstring(`mode=1777,size=${size}`);
  check(
    sys("mount", cstring(name), cstring(folder), cstring("tmpfs"), flags, data),
    `mount tmpfs on ${folder}`,
  );
}

/** Takes away all that is mounted on a folder; who has it open or bound keeps it. Nothing need be there. */
export function unmountAll(folder: string): void {
  const target = cstring(folder);
  for (;;) {
    const result = sys("umount2", target, MNT.MNT_DETACH | MNT.UMOUNT_NOFOLLOW);
    if (result === -ERRNO.EINVAL || result === -ERRNO.ENOENT) return;
    check(result, `unmount ${folder}`);
  }
}
