/*
 * The stage: maps a plan and carries it out, step by step. It decides nothing: what happens, in which order, and
 * which error may be passed over is all in the plan (src/engine/runtime/plan.ts).
 *
 * It runs between a clone and an execve, where JavaScript cannot, and on in the processes that must be small:
 * a container's pid 1 (reap.c) and its keeper (keep.c).
 */
#include "plan.h"

enum { PAGE = 4096 };

static struct plan *plan;
/* Those of the part of the plan that this process is at. */
static struct step *steps;
static u64 first_step, end_step;
static struct status *status;
static struct record *me;
static i32 children[8];
static u32 child_count;

static i64 *slots(void) { return (i64 *)(PLAN_BASE + SLOTS_AT); }

/*
 * A child's clone that is ours as well (CLONE_PARENT) and has failed is about to end. Left behind it would be a zombie
 * of its pid namespace's first process, which may never ask for it. One that goes on is not waited for.
 */
static void reap_the_failed(void) {
  struct timespec moment = { 0, 1000000 };
  for (int i = 0; i < 100; i++) {
    i64 pid = sys4(SYS_wait4, -1, 0, WNOHANG | WALL, 0);
    if (pid < 0) return;
    if (pid == 0) sys5(SYS_ppoll, 0, 0, &moment, 0, 0);
  }
}

/* Ends this process after what it has cloned: a half-made container must not stay behind, nor hold its cgroup. */
static void end_with_children(void) __attribute__((noreturn));
static void end_with_children(void) {
  for (u32 i = 0; i < child_count; i++) sys2(SYS_kill, children[i], SIGKILL);
  for (u32 i = 0; i < child_count; i++) wait_for(children[i]);
  reap_the_failed();
  end(125);
}

static void fail(i64 error) {
  me->error = (i32)error;
  me->state = FAILED;
  end_with_children();
}

/* Once waited for, its number may be another's. */
static i32 wait_and_forget(i32 pid) {
  i32 result = wait_for(pid);
  for (u32 i = 0; i < child_count; i++) {
    if (children[i] == pid) children[i] = children[--child_count];
  }
  return result;
}

static void fail_if_another_failed(void) {
  for (u32 i = 0; i < PROCESSES; i++) {
    if (status->processes[i].state == FAILED) end_with_children();
  }
}

static int tolerates(const struct step *step, i64 error) {
  for (int i = 0; i < 4; i++) {
    if (step->tolerated[i] == error || step->tolerated[i] == TOLERATES_ALL) return 1;
  }
  return 0;
}

/* Kept fds get the number that the plan has for them, so that plans need no slots for them. */
static i64 move_fd(i64 fd, i32 to) {
  if (fd == to) return sys3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
  i64 moved = sys3(SYS_dup3, fd, to, O_CLOEXEC);
  sys1(SYS_close, fd);
  return moved;
}

static void save(struct step *step, i64 result) {
  if (result >= 0 && step->fd >= 0) {
    i64 moved = move_fd(result, step->fd);
    if (moved < 0) fail(-moved);
    result = step->fd;
  }
  if (step->slot >= 0) slots()[step->slot] = result;
}

/* A path with `..` is resolved anew while something is renamed or mounted on the machine: openat2(2), EAGAIN. */
static i64 call(u32 nr, const u64 *a) {
  i64 result = -EAGAIN;
  for (int i = 0; i < 1000 && result == -EAGAIN; i++) {
    result = sys(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (nr != SYS_openat2) break;
  }
  return result;
}

/* What every step does with the kernel's answer. */
static void settle(struct step *step, i64 result) {
  if (result < 0 && result > -4096 && !tolerates(step, -result)) {
    if (step->flags & STEP_READS_LOG) sys3(SYS_read, step->args[0], status->log, sizeof status->log - 1);
    fail(-result);
  }
  save(step, result);
}

/* Gives how many bytes it has written. */
static i64 put(i64 value, void *into, u64 width) {
  if (width == 4) *(u32 *)into = (u32)value;
  else if (width == 8) *(i64 *)into = value;
  else {
    char digits[24], *out = into;
    int n = 0;
    u64 rest = value < 0 ? -(u64)value : (u64)value;
    do digits[n++] = '0' + rest % 10; while (rest /= 10);
    if (value < 0) *out++ = '-';
    while (n > 0) *out++ = digits[--n];
    *out = 0;
    return out - (char *)into;
  }
  return (i64)width;
}

/* The address of what follows `begin` in the line that begins so, which ends with a NUL from then on. */
static i64 rest_of_line(char *text, const char *begin) {
  while (*text) {
    const char *expected = begin;
    while (*expected && *text == *expected) text++, expected++;
    char *rest = text;
    while (*text && *text != '\n') text++;
    if (!*expected) {
      *text = 0;
      return (i64)rest;
    }
    if (*text) text++;
  }
  return -ENOENT;
}

static int holds(i64 value, u64 condition, i64 operand) {
  switch (condition) {
    case ALWAYS: return 1;
    case NEGATIVE: return value < 0;
    case NOT_NEGATIVE: return value >= 0;
    case ZERO: return value == 0;
    case NOT_ZERO: return value != 0;
    default: return value == operand;
  }
}

/* Without CLONE_VM: the child goes on with a copy of all memory, this stack included. */
static i64 clone_process(u64 flags, i64 cgroup, i32 *pidfd) {
  struct clone_args args = { .flags = flags, .pidfd = (u64)pidfd, .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD };
  if (flags & CLONE_INTO_CGROUP) args.cgroup = (u64)cgroup;
  i64 pid = sys2(SYS_clone3, &args, sizeof args);
  /* Docker's seccomp profile answers ENOSYS, so that libcs fall back; so do we, inside such a container. */
  if (pid == -ENOSYS && flags <= 0xffffffff) pid = sys5(SYS_clone, flags | args.exit_signal, 0, pidfd, 0, 0);
  return pid;
}

/* Gives the index of the step that goes on. */
static u64 clone_step(struct step *step, const u64 *args, u64 index) {
  u64 flags = args[0];
  struct record *child = &status->processes[args[3] % PROCESSES];
  i32 pidfd = -1;
  i64 pid = clone_process(flags, (i64)args[1], &pidfd);
  if (pid == 0) {
    me = child;
    me->state = RUNNING;
    child_count = 0;
    return args[2];
  }
  if (pid > 0) {
    child->pid = (i32)pid;
    if (child_count < 8) children[child_count++] = (i32)pid;
    if (pidfd >= 0 && step->fd >= 0 && move_fd(pidfd, step->fd) < 0) fail(EAGAIN);
    if (flags & CLONE_VFORK) fail_if_another_failed();
  } else if (!tolerates(step, -pid)) {
    fail(-pid);
  }
  if (step->slot >= 0) slots()[step->slot] = pid;
  return index + 1;
}

static i64 await_answer(u64 tag) {
  struct frame frame;
  i64 got = receive(CONTROL_FD, &frame, sizeof frame, 0, 0, 0);
  if (got < 0) return got;
  if (got != sizeof frame) fail(ECONNRESET);
  if (frame.type != FRAME_ANSWER || frame.a != tag) fail(EPROTO);
  return frame.value;
}

static i64 receive_fd(int socket) {
  u8 byte[64];
  i32 fd = -1;
  i64 got = receive(socket, byte, sizeof byte, &fd, 1, 0);
  if (got < 0) return got;
  return fd >= 0 ? fd : -ECONNRESET;
}

static i64 pass_fd(int socket, i32 fd, const void *payload, u64 size) {
  return send_fds(socket, size ? payload : "", size ? size : 1, &fd, 1, 0);
}

static void read_all(i64 fd, u8 *into, u64 size) {
  while (size > 0) {
    i64 got = sys3(SYS_read, fd, into, size);
    if (got == -EINTR) continue;
    if (got <= 0) fail(got < 0 ? -got : ECONNRESET);
    into += got;
    size -= (u64)got;
  }
}

/* The next part of the plan. What was mapped before stays: the new part refers to it. */
static void take_part(void) {
  struct frame frame;
  read_all(CONTROL_FD, (u8 *)&frame, sizeof frame);
  if (frame.type != FRAME_MORE || frame.value < (i64)sizeof(struct part)) fail(EPROTO);
  i64 at = sys(SYS_mmap, frame.generation, (u64)frame.value, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0ul, 0);
  if (at < 0 && at > -4096) fail(-at);
  read_all(CONTROL_FD, (u8 *)at, (u64)frame.value);
  struct part *part = (struct part *)at;
  steps = (struct step *)(at + part->steps_at);
  first_step = part->first;
  end_step = first_step + part->step_count;
}

static void run(void) {
  for (u64 at = 0; at < end_step;) {
    struct step *step = steps + (at - first_step);
    u64 a[6];
    for (int i = 0; i < 6; i++) a[i] = step->slot_args >> i & 1 ? (u64)slots()[step->args[i]] : step->args[i];
    me->step = (u32)at;
    u64 next = at + 1;
    switch (step->op) {
      case OP_SYSCALL: settle(step, call(step->nr, a)); break;
      case OP_PUT: save(step, put((i64)a[0], (void *)a[1], a[2])); break;
      case OP_GET: save(step, a[1] == 4 ? *(i32 *)a[0] : *(i64 *)a[0]); break;
      case OP_JUMP: if (holds((i64)a[0], a[1], (i64)a[2])) next = a[3]; break;
      case OP_CLONE: next = clone_step(step, a, at); break;
      case OP_PASS: settle(step, pass_fd((int)a[0], (i32)a[1], (void *)a[2], a[3])); break;
      case OP_RECEIVE: settle(step, receive_fd((int)a[0])); break;
      case OP_SYNC: {
        struct frame frame = { FRAME_SYNC, (u16)a[0], 0, (i64)a[1] };
        settle(step, send_frame(CONTROL_FD, frame, 0));
        break;
      }
      case OP_AWAIT: settle(step, await_answer(a[0])); break;
      case OP_WAIT:
        if (step->slot < 0) wait_and_end((i32)a[0]);
        slots()[step->slot] = a[1] ? wait_and_forward((i32)a[0]) : wait_and_forget((i32)a[0]);
        break;
      case OP_REAP: reap((i32)a[0], a[1], (const u8 *)a[2], plan, status);
      case OP_KEEP: keep((i32)a[0], (const struct keep *)a[1], plan, status);
      case OP_PROXY: proxy((i32)a[0], (i32)a[1], (const struct told *)a[2], (u32)a[3], plan, status);
      case OP_FAIL: fail((i64)a[0]);
      case OP_CHECK: fail_if_another_failed(); break;
      case OP_MORE: take_part(); break;
      case OP_LINE: settle(step, rest_of_line((char *)a[0], (const char *)a[1])); break;
      default: fail(ENOSYS);
    }
    at = next;
  }
  end(0);
}

/* Bun's children inherit what it ignores and blocks: the plan starts from a clean state. Nothing is left open by chance. */
static void start_clean(void) {
  struct { u64 handler, flags, restorer, mask; } as_default = { 0 };
  for (int signal = 1; signal <= SIGNALS; signal++) sys4(SYS_rt_sigaction, signal, &as_default, 0, 8);
  sys3(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
}

/* Gives the size of the plan. What it is passed comes where it belongs: these are the first numbers that are free. */
static u64 wait_for_plan(struct name *name) {
  struct spare given;
  i32 fds[HELD_MAX];
  i64 got = receive(PLAN_FD, &given, sizeof given, fds, HELD_MAX, 0);
  if (got < 0) return PAGE; /* it has a plan after all */
  if (got == 0) end(0);
  move_fd(fds[given.passed], PLAN_FD);
  *name = given.name;
  return given.plan_size;
}

static void unblock_signals(void) {
  u64 none = 0;
  if (!(plan->flags & PLAN_KEEPS_MASK)) sys4(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
}

/* Privately: a slot's new value is this process's own; the file itself is sealed. */
static void map_plan(u64 size) {
  for (;;) {
    i64 at = sys(SYS_mmap, PLAN_BASE, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED_NOREPLACE, PLAN_FD, 0);
    if (at != (i64)PLAN_BASE) end(124);
    plan = (struct plan *)PLAN_BASE;
    if (plan->magic != PLAN_MAGIC || plan->version != PLAN_VERSION) end(124);
    u64 whole = plan->size;
    if (whole <= size) break;
    sys2(SYS_munmap, PLAN_BASE, size);
    size = whole;
  }
  sys1(SYS_close, PLAN_FD);
  steps = (struct step *)(PLAN_BASE + plan->steps_at);
  end_step = plan->step_count;
}

static void map_status(void) {
  i64 at = sys(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, STATUS_FD, 0);
  /* A program of its own (ts-init) has nobody to tell. */
  if (at < 0 && at > -4096) at = sys(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, ~0ul, 0);
  if (at < 0 && at > -4096) end(124);
  status = (struct status *)at;
  me = &status->processes[plan->process % PROCESSES];
  me->state = RUNNING;
  me->pid = (i32)sys1(SYS_getpid, 0);
}

/* `words`: how the kernel leaves the arguments, their count first. */
__attribute__((noreturn, used)) void stage(char **words) {
  start_clean();
  int spare = words[0] == (char *)2 && !*words[2];
  map_plan(spare ? wait_for_plan((struct name *)words[1]) : PAGE);
  unblock_signals();
  map_status();
  run();
  end(0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call stage\n");
#else
__asm__(".globl _start\n_start: mov x29, #0\n mov x30, #0\n mov x0, sp\n bl stage\n");
#endif

/* The compiler calls these for structs. */
void *memset(void *to, int byte, unsigned long size) {
  for (u8 *p = to; size--; p++) *(volatile u8 *)p = (u8)byte;
  return to;
}
void *memcpy(void *to, const void *from, unsigned long size) {
  volatile u8 *p = to;
  const u8 *q = from;
  while (size--) *p++ = *q++;
  return to;
}
