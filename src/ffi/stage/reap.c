/*
 * Waiting for children: WAIT, and the loop of a container's pid 1.
 */
#include "plan.h"

static u64 bit(int signal) { return 1ul << (signal - 1); }

/* As a shell tells it. */
int exit_status(i32 wait_status) {
  int signal = wait_status & 0x7f;
  return signal ? 128 + signal : wait_status >> 8 & 0xff;
}

i32 wait_for(i32 pid) {
  i32 result = 0;
  i64 got;
  do got = sys4(SYS_wait4, pid, &result, WALL, 0);
  while (got == -EINTR);
  return got < 0 ? (i32)got : exit_status(result);
}

/* A signal that reaches us is not for the child: whoever started the stage forwards what it wants to. */
void wait_and_end(i32 pid) {
  u64 all = ~0ul;
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
  end(wait_for(pid));
}

static void warn_reaped(i32 pid) {
  char line[64] = "[WARN  ts-init] Reaped zombie process with pid=", digits[12];
  int n = 0, at = 47;
  do digits[n++] = '0' + pid % 10; while (pid /= 10);
  while (n > 0) line[at++] = digits[--n];
  line[at++] = '\n';
  sys3(SYS_write, 2, line, at);
}

enum { REAP_GROUP = 1, REAP_WARN = 2 };

/* Room of our own: the plan tells of the host, and goes before strangers may look at a pid 1 of theirs. */
static u8 becomes_zero[32];

static void forget_plan(struct plan *plan, struct status *status, const u8 *remap) {
  for (u32 i = 0; remap && i < sizeof becomes_zero; i++) becomes_zero[i] = remap[i];
  sys2(SYS_munmap, plan, plan->size);
  sys2(SYS_munmap, status, 4096);
}

/* Blocks every signal but those that tell of our own faults, which stay deliverable. */
static u64 block_signals(void) {
  u64 wanted = ~(bit(SIGFPE) | bit(SIGILL) | bit(SIGSEGV) | bit(SIGBUS) | bit(SIGABRT) | bit(SIGTRAP) | bit(SIGSYS)
                 | bit(SIGTTIN) | bit(SIGTTOU));
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &wanted, 0, 8);
  return wanted;
}

/* Forwards what comes, reaps who ends, until the child has: its status, or -ECHILD when there is none. */
static i32 forward_until_gone(i32 pid, u64 flags) {
  u64 wanted = block_signals();
  for (;;) {
    i32 result, gone, status = -1;
    while ((gone = (i32)sys4(SYS_wait4, -1, &result, WNOHANG | WALL, 0)) > 0) {
      if (gone == pid) status = exit_status(result);
      else if (flags & REAP_WARN) warn_reaped(gone);
    }
    if (status >= 0) return status;
    if (gone == -ECHILD) return gone;
    i32 signal = (i32)sys4(SYS_rt_sigtimedwait, &wanted, 0, 0, 8);
    if (signal > 0 && signal != SIGCHLD) sys2(SYS_kill, flags & REAP_GROUP ? -pid : pid, signal);
  }
}

/* For whoever stands in front of a container: what is sent to it is meant for the container. */
i32 wait_and_forward(i32 pid) { return forward_until_gone(pid, 0); }

/* pid 1. The child got its own, empty mask by a step. */
void reap(i32 pid, u64 flags, const u8 *remap, struct plan *plan, struct status *status) {
  forget_plan(plan, status, remap);
  /* The child may have made itself the terminal's foreground group. */
  struct { u64 handler, flags, restorer, mask; } ignore = { 1, 0, 0, 0 };
  sys4(SYS_rt_sigaction, SIGTTIN, &ignore, 0, 8);
  sys4(SYS_rt_sigaction, SIGTTOU, &ignore, 0, 8);
  i32 ended = forward_until_gone(pid, flags);
  end(ended < 0 ? 1 : becomes_zero[ended >> 3] >> (ended & 7) & 1 ? 0 : ended);
}
