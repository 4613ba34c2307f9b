/** Files: open(2), openat2(2), the *at flags, modes, fcntl and memfd. */
const ARM = process.arch === "arm64";

/** open(2). Four of them differ between x86 and arm. */
export const O = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0x40,
  O_EXCL: 0x80,
  O_NOCTTY: 0x100,
  O_TRUNC: 0x200,
  O_APPEND: 0x400,
  O_NONBLOCK: 0x800,
  O_SYNC: 0x101000,
  O_CLOEXEC: 0x80000,
  O_PATH: 0x200000,
  O_NOATIME: 0x40000,
  O_DIRECTORY: ARM ? 0x4000 : 0x10000,
  O_NOFOLLOW: ARM ? 0x8000 : 0x20000,
  O_DIRECT: ARM ? 0x10000 : 0x4000,
  O_LARGEFILE: ARM ? 0x20000 : 0,
  O_TMPFILE: ARM ? 0x404000 : 0x410000,
};

/** The *at calls. */
export const AT = {
  AT_FDCWD: -100,
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_EACCESS: 0x200,
  AT_REMOVEDIR: 0x200,
  AT_SYMLINK_FOLLOW: 0x400,
  AT_NO_AUTOMOUNT: 0x800,
  AT_EMPTY_PATH: 0x1000,
  AT_RECURSIVE: 0x8000,
} as const;

/** openat2(2); struct open_how is flags u64, mode u64, resolve u64. */
export const RESOLVE = {
  RESOLVE_NO_XDEV: 1,
  RESOLVE_NO_MAGICLINKS: 2,
  RESOLVE_NO_SYMLINKS: 4,
  RESOLVE_BENEATH: 8,
  RESOLVE_IN_ROOT: 0x10,
  RESOLVE_CACHED: 0x20,
} as const;

export const OPEN_HOW_SIZE = 24;

/** File modes. */
export const S = {
  S_IFMT: 0xf000,
  S_IFSOCK: 0xc000,
  S_IFLNK: 0xa000,
  S_IFREG: 0x8000,
  S_IFBLK: 0x6000,
  S_IFDIR: 0x4000,
  S_IFCHR: 0x2000,
  S_IFIFO: 0x1000,
  S_ISUID: 0x800,
  S_ISGID: 0x400,
  S_ISVTX: 0x200,
} as const;

/** fcntl(2). */
export const F = {
  F_DUPFD: 0,
  F_GETFD: 1,
  F_SETFD: 2,
  F_GETFL: 3,
  F_SETFL: 4,
  F_DUPFD_CLOEXEC: 1030,
  F_SETPIPE_SZ: 1031,
  F_ADD_SEALS: 1033,
  F_GET_SEALS: 1034,
  F_SEAL_SEAL: 1,
  F_SEAL_SHRINK: 2,
  F_SEAL_GROW: 4,
  F_SEAL_WRITE: 8,
  F_SEAL_FUTURE_WRITE: 16,
  FD_CLOEXEC: 1,
  F_SEAL_EXEC: 32,
} as const;

/** memfd_create(2). */
export const MFD = {
  MFD_CLOEXEC: 1,
  MFD_ALLOW_SEALING: 2,
  MFD_NOEXEC_SEAL: 8,
  MFD_EXEC: 16,
} as const;
