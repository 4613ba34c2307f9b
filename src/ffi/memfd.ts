/**
 * Files without a name: sealed memory that another program maps or executes.
 */
import { ERRNO } from "./errno.ts";
import { F, MFD, O } from "./file.ts";
import { check, closeFd, cstring, SystemError, sys } from "./libc.ts";

const SEALS = F.F_SEAL_SEAL | F.F_SEAL_SHRINK | F.F_SEAL_GROW | F.F_SEAL_WRITE;

function fill(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    at += check(sys("write", fd, bytes.subarray(at), bytes.length - at), "write to a memfd");
  }
}

/** Data that nobody can change any more. Close-on-exec; the caller owns the fd. */
export function sealedData(name: string, bytes: Uint8Array): number {
  const label = cstring(name);
  let fd = sys("memfd_create", label, MFD.MFD_CLOEXEC | MFD.MFD_ALLOW_SEALING | MFD.MFD_NOEXEC_SEAL);
  // MFD_NOEXEC_SEAL is of Linux 6.3
  if (fd === -ERRNO.EINVAL) fd = sys("memfd_create", label, MFD.MFD_CLOEXEC | MFD.MFD_ALLOW_SEALING);
  check(fd, "memfd_create");
  try {
    fill(fd, bytes);
    check(sys("fcntl", fd, F.F_ADD_SEALS, SEALS), "seal a memfd");
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Zeroed shared memory. */
export function sharedMemory(name: string, size: number): number {
  const fd = check(sys("memfd_create", cstring(name), MFD.MFD_CLOEXEC), "memfd_create");
  check(sys("ftruncate", fd, size), "ftruncate");
  return fd;
}

/**
 * A program to execute by `/proc/self/fd/N`. `sealed` is false where the host forbids executable memfds
 * (vm.memfd_noexec=2): then it is an unlinked file that only root can open, to be used for one start only.
 */
export function executable(name: string, bytes: Uint8Array): { fd: number; sealed: boolean } {
  const label = cstring(name);
  let fd = sys("memfd_create", label, MFD.MFD_CLOEXEC | MFD.MFD_ALLOW_SEALING | MFD.MFD_EXEC);
  // MFD_EXEC is of Linux 6.3; before, every memfd is executable
  if (fd === -ERRNO.EINVAL) fd = sys("memfd_create", label, MFD.MFD_CLOEXEC | MFD.MFD_ALLOW_SEALING);
  if (fd === -ERRNO.EACCES || fd === -ERRNO.EPERM) return { fd: unlinkedExecutable(bytes), sealed: false };
  check(fd, "memfd_create");
  try {
    fill(fd, bytes);
    check(sys("fcntl", fd, F.F_ADD_SEALS, SEALS), "seal a memfd");
    return { fd, sealed: true };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Where an unlinked file may be made and executed: /run is often noexec. */
const FOLDERS = ["/run", "/var/lib", "/root"];
const ST_NOEXEC = 8;

function unlinkedExecutable(bytes: Uint8Array): number {
  let reason: unknown = new SystemError("find a folder for an executable file", ERRNO.EACCES);
  for (const folder of FOLDERS) {
    try {
      return unlinkedIn(folder, bytes);
    } catch (error) {
      reason = error;
    }
  }
  throw reason;
}

function unlinkedIn(folder: string, bytes: Uint8Array): number {
  // struct statfs: f_flags is the tenth word
  const statfs = new BigInt64Array(15);
  check(sys("statfs", cstring(folder), statfs), `statfs ${folder}`);
  if (Number(statfs[10]) & ST_NOEXEC) throw new SystemError(`execute a file in ${folder}`, ERRNO.EACCES);
  const writable = check(
    sys("openat", -100, cstring(folder), O.O_TMPFILE | O.O_RDWR | O.O_CLOEXEC, 0o500),
    `open a temporary file in ${folder}`,
  );
  try {
    fill(writable, bytes);
    // What is open for writing cannot be executed (ETXTBSY)
    const path = cstring(`/proc/self/fd/${writable}`);
    return check(sys("openat", -100, path, O.O_RDONLY | O.O_CLOEXEC, 0), "open the stage");
  } finally {
    closeFd(writable);
  }
}
