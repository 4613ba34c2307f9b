/*
 * The kernel without a libc: system calls for x86_64 and aarch64, and the few structs that the stage needs.
 * Numbers and layouts are those of the kernel's uapi headers.
 */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef int i32;
typedef long i64;

#if defined(__x86_64__)
enum {
  SYS_read = 0, SYS_close = 3, SYS_mmap = 9, SYS_munmap = 11, SYS_rt_sigaction = 13, SYS_rt_sigprocmask = 14,
  SYS_pread64 = 17, SYS_pwrite64 = 18, SYS_getpid = 39, SYS_sendmsg = 46, SYS_recvmsg = 47, SYS_getsockopt = 55,
  SYS_clone = 56, SYS_wait4 = 61, SYS_kill = 62, SYS_fcntl = 72, SYS_geteuid = 107, SYS_rt_sigtimedwait = 128,
  SYS_clock_gettime = 228, SYS_exit_group = 231, SYS_ppoll = 271, SYS_accept4 = 288, SYS_signalfd4 = 289, SYS_dup3 = 292, SYS_statx = 332,
  SYS_write = 1,
};
static inline long sys(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  register u64 r10 __asm__("r10") = d;
  register u64 r8 __asm__("r8") = e;
  register u64 r9 __asm__("r9") = f;
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return r;
}
#elif defined(__aarch64__)
enum {
  SYS_fcntl = 25, SYS_dup3 = 24, SYS_close = 57, SYS_read = 63, SYS_write = 64, SYS_pread64 = 67, SYS_pwrite64 = 68,
  SYS_ppoll = 73, SYS_signalfd4 = 74, SYS_exit_group = 94, SYS_clock_gettime = 113, SYS_kill = 129,
  SYS_rt_sigaction = 134, SYS_rt_sigprocmask = 135, SYS_rt_sigtimedwait = 137, SYS_getpid = 172, SYS_geteuid = 175,
  SYS_getsockopt = 209, SYS_sendmsg = 211, SYS_recvmsg = 212, SYS_munmap = 215, SYS_clone = 220, SYS_mmap = 222,
  SYS_accept4 = 242, SYS_wait4 = 260, SYS_statx = 291,
};
static inline long sys(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  register u64 x8 __asm__("x8") = (u64)nr;
  register u64 x0 __asm__("x0") = a;
  register u64 x1 __asm__("x1") = b;
  register u64 x2 __asm__("x2") = c;
  register u64 x3 __asm__("x3") = d;
  register u64 x4 __asm__("x4") = e;
  register u64 x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return (long)x0;
}
#else
#error "the stage knows x86_64 and aarch64"
#endif

/* The same number everywhere. */
enum { SYS_clone3 = 435, SYS_close_range = 436, SYS_openat2 = 437 };

#define sys1(nr, a) sys(nr, (u64)(a), 0, 0, 0, 0, 0)
#define sys2(nr, a, b) sys(nr, (u64)(a), (u64)(b), 0, 0, 0, 0)
#define sys3(nr, a, b, c) sys(nr, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)
#define sys4(nr, a, b, c, d) sys(nr, (u64)(a), (u64)(b), (u64)(c), (u64)(d), 0, 0)
#define sys5(nr, a, b, c, d, e) sys(nr, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), 0)

enum { ENOENT = 2, EINTR = 4, EAGAIN = 11, ECHILD = 10, EPROTO = 71, ECONNRESET = 104, ENOSYS = 38 };
enum { SIGHUP = 1, SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGBUS = 7, SIGFPE = 8, SIGKILL = 9, SIGSEGV = 11, SIGCHLD = 17,
       SIGSTOP = 19, SIGTTIN = 21, SIGTTOU = 22, SIGSYS = 31, SIGNALS = 64 };
enum { SIG_SETMASK = 2 };
enum { WNOHANG = 1, WALL = 0x40000000 };
enum { F_SETFD = 2, FD_CLOEXEC = 1, O_CLOEXEC = 02000000, O_NONBLOCK = 04000 };
enum { PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20, MAP_FIXED_NOREPLACE = 0x100000 };
enum { POLLIN = 1, POLLPRI = 2, POLLERR = 8, POLLHUP = 16 };
enum { SOL_SOCKET = 1, SO_PEERCRED = 17, SCM_RIGHTS = 1 };
enum { MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x40000000 };
enum { CLOSE_RANGE_CLOEXEC = 4, AT_EMPTY_PATH = 0x1000, STATX_NLINK = 4 };
#define CLONE_PIDFD 0x1000ul
#define CLONE_VFORK 0x4000ul
#define CLONE_PARENT 0x8000ul
#define CLONE_INTO_CGROUP 0x200000000ul

struct timespec { i64 sec, nsec; };
struct iovec { void *base; u64 size; };
struct msghdr { void *name; u32 name_size; struct iovec *iov; u64 iov_count; void *control; u64 control_size; i32 flags; };
struct cmsghdr { u64 size; i32 level, type; };
struct statx { u32 mask, block_size; u64 attributes; u32 links; u8 rest[236]; };
struct pollfd { i32 fd; u16 events, revents; };
struct ucred { i32 pid; u32 uid, gid; };
struct clone_args { u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; };
