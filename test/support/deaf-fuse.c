/*
 * A file system whose server never answers: mounts it at FOLDER and says "up". With a second word it takes requests,
 * and so holds who made them even when they are killed; without, they wait in the kernel's queue. Without a libc,
 * which takes minutes to build; the numbers are those of linux/fuse.h.
 *
 *   deaf-fuse FOLDER [take]
 */
#include "../../src/ffi/stage/sys.h"

#if defined(__x86_64__)
enum { SYS_mkdirat = 258, SYS_openat = 257, SYS_mount = 165 };
#else
enum { SYS_mkdirat = 34, SYS_openat = 56, SYS_mount = 40 };
#endif
enum { AT_FDCWD = -100, O_RDWR = 2, FUSE = 3 };

struct in_header { u32 len, opcode; u64 unique; };
struct {
  u32 len;
  i32 error;
  u64 unique;
  struct { u32 major, minor, max_readahead, flags; u32 background, max_write; u32 rest[10]; } init;
} answer = { .len = sizeof answer, .init = { .major = 7, .minor = 31, .max_write = 4096 } };

static char request[1 << 20];

static _Noreturn void fail(const char *why, u64 size) {
  sys3(SYS_write, 2, why, size);
  for (;;) sys1(SYS_exit_group, 1);
}
#define FAIL(why) fail(why "\n", sizeof why)

static int take(void) { return sys3(SYS_read, FUSE, request, sizeof request) > 0; }

__attribute__((used)) _Noreturn void run(u64 *stack) {
  u64 count = stack[0];
  const char *folder = (const char *)stack[2];
  if (count < 2 || sys3(SYS_openat, AT_FDCWD, "/dev/fuse", O_RDWR) != FUSE) FAIL("/dev/fuse");
  sys3(SYS_mkdirat, AT_FDCWD, folder, 0755);
  const char *options = "fd=3,rootmode=40755,user_id=0,group_id=0,allow_other";
  if (sys5(SYS_mount, "deaf", folder, "fuse.deaf", 0, options) != 0) FAIL("mount");
  if (count > 2) {
    if (!take()) FAIL("no init");
    answer.unique = ((struct in_header *)request)->unique;
    if (sys3(SYS_write, FUSE, &answer, sizeof answer) != sizeof answer) FAIL("init");
  }
  sys3(SYS_write, 1, "up\n", 3);
  while (count > 2 && take()) continue;
  for (;;) sys5(SYS_ppoll, 0, 0, 0, 0, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall run\n");
#else
__asm__(".globl _start\n_start: mov x0, sp\nbl run\n");
#endif
