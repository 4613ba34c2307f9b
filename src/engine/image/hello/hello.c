/*
 * The program of the image that every tsd carries: says what the kernel shows a process in a container, one
 * "key: value" line each, so that a script can put the host's own answers beside them.
 *
 * Freestanding: no libc, a few kilobytes, the same source for both architectures.
 */
typedef unsigned long usize;

#if defined(__x86_64__)
enum { SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_getpid = 39, SYS_exit_group = 231, SYS_uname = 63, SYS_readlinkat = 267, SYS_openat = 257, SYS_prlimit64 = 302 };
static long sys(long n, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum { SYS_read = 63, SYS_write = 64, SYS_close = 57, SYS_getpid = 172, SYS_exit_group = 94, SYS_uname = 160, SYS_readlinkat = 78, SYS_openat = 56, SYS_prlimit64 = 261 };
static long sys(long n, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = n;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#endif

enum { AT_FDCWD = -100 };

static char out[65536];
static usize used;

static void flush(void) {
  for (usize done = 0; done < used;) {
    long n = sys(SYS_write, 1, (long)(out + done), (long)(used - done), 0);
    if (n <= 0) break;
    done += (usize)n;
  }
  used = 0;
}

static void put(char c) {
  if (used == sizeof out) flush();
  out[used++] = c;
}

static void text(const char *s) {
  while (*s) put(*s++);
}

static void number(unsigned long value) {
  char digits[24];
  int n = 0;
  do digits[n++] = (char)('0' + value % 10);
  while (value /= 10);
  while (n) put(digits[--n]);
}

static char file[262144];

/* A whole file, NUL-terminated; its length, or -1. */
static long load(const char *path) {
  long fd = sys(SYS_openat, AT_FDCWD, (long)path, 0, 0);
  if (fd < 0) return -1;
  long length = 0;
  for (;;) {
    long n = sys(SYS_read, fd, (long)(file + length), (long)sizeof file - 1 - length, 0);
    if (n <= 0) break;
    length += n;
  }
  sys(SYS_close, fd, 0, 0, 0);
  file[length] = 0;
  return length;
}

static int starts(const char *s, const char *prefix) {
  while (*prefix)
    if (*s++ != *prefix++) return 0;
  return 1;
}

/* The value of "key:\tvalue" in /proc/self/status. */
static void status(const char *label, const char *key) {
  for (char *line = file; *line;) {
    if (starts(line, key)) {
      text(label);
      text(": ");
      while (*line != '\t' && *line) line++;
      while (*line == '\t' || *line == ' ') line++;
      while (*line && *line != '\n') put(*line++);
      put('\n');
      return;
    }
    while (*line && *line != '\n') line++;
    if (*line) line++;
  }
}

static char *field(char *line, int n) {
  while (n--) {
    while (*line && *line != ' ' && *line != '\n') line++;
    while (*line == ' ') line++;
  }
  return line;
}

static void word(const char *s) {
  while (*s && *s != ' ' && *s != '\n') put(*s++);
}

static void namespaces(void) {
  static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
  for (usize i = 0; i < sizeof names / sizeof *names; i++) {
    char path[64] = "/proc/self/ns/", link[64];
    usize at = 14;
    for (const char *s = names[i]; *s; s++) path[at++] = *s;
    path[at] = 0;
    long n = sys(SYS_readlinkat, AT_FDCWD, (long)path, (long)link, sizeof link - 1);
    if (n < 0) continue;
    link[n] = 0;
    text("namespace.");
    text(names[i]);
    text(": ");
    text(link);
    put('\n');
  }
}

/* mountinfo: id parent major:minor root target options [optional…] - type source options */
static void mounts(void) {
  if (load("/proc/self/mountinfo") < 0) return;
  for (char *line = file; *line;) {
    char *target = field(line, 4), *type = field(line, 6);
    while (*type && *type != '\n' && *type != '-') type = field(type, 1);
    text("mount: ");
    word(target);
    put(' ');
    word(field(type, 1));
    put('\n');
    while (*line && *line != '\n') line++;
    if (*line) line++;
  }
}

static void interfaces(void) {
  if (load("/proc/self/net/dev") < 0) return;
  int row = 0;
  for (char *line = file; *line; row++) {
    if (row >= 2) {
      text("interface: ");
      while (*line == ' ') line++;
      while (*line && *line != ':') put(*line++);
      put('\n');
    }
    while (*line && *line != '\n') line++;
    if (*line) line++;
  }
}

static void limits(void) {
  static const struct { const char *name; int resource; } all[] = {
    {"core", 4}, {"nofile", 7}, {"nproc", 6}, {"stack", 3}, {"memlock", 8},
  };
  for (usize i = 0; i < sizeof all / sizeof *all; i++) {
    unsigned long limit[2];
    if (sys(SYS_prlimit64, 0, all[i].resource, 0, (long)limit) < 0) continue;
    text("limit.");
    text(all[i].name);
    text(": ");
    for (int j = 0; j < 2; j++) {
      if (limit[j] == ~0ul) text("unlimited");
      else number(limit[j]);
      put(j ? '\n' : ' ');
    }
  }
}

static void line_of(const char *label, const char *path) {
  if (load(path) < 0) return;
  text(label);
  text(": ");
  for (char *s = file; *s && *s != '\n'; s++) put(*s);
  put('\n');
}

__attribute__((used)) static void run(void) {
  struct { char sysname[65], nodename[65], release[65], version[65], machine[65], domain[65]; } name;
  text("Hello from a container made by tsd.\n\n");
  text("pid: ");
  number((unsigned long)sys(SYS_getpid, 0, 0, 0, 0));
  put('\n');
  if (sys(SYS_uname, (long)&name, 0, 0, 0) == 0) {
    text("hostname: ");
    text(name.nodename);
    text("\nkernel: ");
    text(name.release);
    text("\nmachine: ");
    text(name.machine);
    put('\n');
  }
  namespaces();
  interfaces();
  if (load("/proc/self/status") >= 0) {
    status("capabilities.effective", "CapEff:");
    status("capabilities.bounding", "CapBnd:");
    status("no_new_privileges", "NoNewPrivs:");
    status("seccomp.mode", "Seccomp:");
    status("seccomp.filters", "Seccomp_filters:");
  }
  limits();
  line_of("limit.pids", "/sys/fs/cgroup/pids.max");
  line_of("limit.pids", "/sys/fs/cgroup/pids/pids.max");
  line_of("limit.memory", "/sys/fs/cgroup/memory.max");
  line_of("limit.memory", "/sys/fs/cgroup/memory/memory.limit_in_bytes");
  line_of("cgroup", "/proc/self/cgroup");
  mounts();
  flush();
  sys(SYS_exit_group, 0, 0, 0, 0);
  for (;;) {}
}

/* The kernel enters here with no return address; the stack is aligned for a call. */
#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n and $-16, %rsp\n call run\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x29, #0\n bl run\n");
#endif
