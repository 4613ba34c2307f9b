/*
 * How a plan lies in memory, written by src/engine/runtime/encode.ts; and the status page, read by
 * src/engine/runtime/stage.ts. A change here is a change there, and of VERSION.
 */
#pragma once
#include "sys.h"

#define PLAN_BASE 0x40000000ul
enum { PLAN_MAGIC = 0x4c505354 /* "TSPL" */, PLAN_VERSION = 1, SLOTS_AT = 2048, SLOTS = 256 };

/* The stage is born with these, and with what it is passed from 6 on. */
enum { PLAN_FD = 3, STATUS_FD = 4, CONTROL_FD = 5 };
/*
 * A spare one, with an empty word after a name of eight letters, has no plan yet, and CONTROL_FD's socket in that place too.
 * This comes over it, with so many fds that it is passed, and the plan. Its new name takes the place of both words.
 */
struct name { char letters[10]; };
struct spare { u32 plan_size; u16 passed; struct name name; };

enum op {
  OP_SYSCALL = 1, OP_PUT, OP_GET, OP_JUMP, OP_CLONE, OP_PASS, OP_RECEIVE, OP_SYNC, OP_AWAIT, OP_WAIT, OP_REAP, OP_KEEP,
  OP_FAIL, OP_CHECK, OP_PROXY, OP_MORE, OP_LINE,
};
enum { STEP_READS_LOG = 1 /* the first argument is a file system context whose log explains a failure */ };
enum { TOLERATES_ALL = 0xffff };
enum condition { ALWAYS, NEGATIVE, NOT_NEGATIVE, ZERO, NOT_ZERO, EQUALS };

struct step {
  u8 op, flags;
  u16 slot_args;      /* bit n: args[n] is a slot's index, and its value is meant */
  u32 nr;             /* the system call */
  i32 fd;             /* the fixed number that the result, an fd, is moved to; or -1 */
  i32 slot;           /* where the result is saved; or -1 */
  u16 tolerated[4];   /* errnos after which the plan goes on */
  u64 args[6];
};

struct plan {
  u32 magic, version;
  u64 size;
  u32 steps_at, step_count;
  u32 process;        /* the number of this plan's first process: 0, or 8 in a nested plan */
  u32 flags;
};
/* A part that is not the first: it comes over the control socket, and lies at an address of its own. */
struct part { u32 first, step_count, steps_at, reserved; };
enum { PLAN_KEEPS_MASK = 1 /* signals that are blocked stay so, and wait for a step that takes them */ };

/* One page, shared by all processes of a plan and with the TypeScript side. */
enum { PROCESSES = 16 };
enum state { NOT_YET, RUNNING, FAILED, KEEPING };
struct record { u32 state, step; i32 error, pid; };
struct status {
  struct record processes[PROCESSES];
  char log[256];      /* of a file system context */
};

/* What KEEP holds; a part of the plan's data. */
enum { HELD_MAX = 24, WATCH_MAX = 8, BOOT_ID = 40 };
enum held_name { HELD_STDIN = 0, HELD_MOUNTS = 9 /* never handed over */ };
enum watch_kind { WATCH_EVENTFD = 0, WATCH_PRIORITY = 1 };
struct named_fd { i32 fd; u32 name; };
struct keep {
  i32 listen, record;
  u32 held_count, watch_count;
  char boot_id[BOOT_ID];
  struct named_fd held[HELD_MAX], watches[WATCH_MAX];
};

/* All that travels on a control socket, both ways: 16 bytes. */
enum frame_type {
  FRAME_SYNC = 1,     /* a: tag, value */
  FRAME_HELLO = 2,    /* a: version, value: capabilities << 32 | pid */
  FRAME_EXIT = 3,     /* a: status, value: time */
  FRAME_WATCH = 4,    /* a: index of the watch, value: how often */
  FRAME_TAKEN = 5,    /* a: how many fds lie in the socket that came with TAKE */
  FRAME_REFUSED = 6,  /* a: type of the refused frame */
  FRAME_DISPLACED = 7,
  FRAME_ANSWER = 32,  /* to the stage. a: tag, value */
  FRAME_TAKE = 33,    /* with a unix socket to put the fds into */
  FRAME_CLOSE_STDIN = 34,
  FRAME_END = 35,
  FRAME_MORE = 36,    /* generation: an address, value: a size; and as many bytes of the plan, for that address */
};
enum { KEEPER_VERSION = 1, KEEPER_CAPABILITIES = 0 };
struct frame { u16 type, a; u32 generation; i64 value; };

/* The exit record. */
enum { EXIT_MAGIC = 0x52585354 /* "TSXR" */, EXIT_VERSION = 1 };
struct exit_record { u32 magic, version; i32 pid, status; i64 time; u32 watches, reserved; char boot_id[BOOT_ID]; };

/* struct sockaddr_in or sockaddr_in6; zero where those have nothing. */
struct address { u16 family; u16 port; u8 rest[24]; };

/* All that travels on its control socket (SOCK_SEQPACKET), both ways; and in the plan, what it begins with. */
enum proxy_op {
  PROXY_ADD = 1,      /* with the socket */
  PROXY_REMOVE = 2,
  PROXY_LIST = 3,     /* value: an index */
  PROXY_END = 4,
  PROXY_KNOWN = 5,    /* to the client, with the socket */
  PROXY_LAST = 6,     /* to the client: there is none of that index */
};
struct told { u16 op, protocol; i32 value; struct address from, to; };

/* messages.c */
i64 send_frame(int fd, struct frame frame, int flags);
i64 send_fds(int fd, const void *payload, u64 size, const i32 *fds, u32 count, int flags);
i64 receive(int fd, void *into, u64 size, i32 *fds, u32 room, int flags);
i64 accept_own(i32 listen);

/* reap.c */
int exit_status(i32 wait_status);
void wait_and_end(i32 pid) __attribute__((noreturn));
i32 wait_for(i32 pid);
i32 wait_and_forward(i32 pid);
void reap(i32 pid, u64 flags, const u8 *remap, struct plan *plan, struct status *status) __attribute__((noreturn));

/* keep.c */
void keep(i32 pid, const struct keep *what, struct plan *plan, struct status *status) __attribute__((noreturn));

/* proxy/loop.c */
void proxy(i32 listen, i32 beside, const struct told *first, u32 count, struct plan *plan, struct status *status) __attribute__((noreturn));

static inline void end(int status) __attribute__((noreturn));
static inline void end(int status) {
  sys1(SYS_exit_group, status);
  /* A filter of the container's refuses it: no handler is left, and who is traced into by none dies of this. */
  for (;;) __builtin_trap();
}
