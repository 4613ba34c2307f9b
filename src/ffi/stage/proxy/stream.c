/*
 * Connections: of TCP, bytes are spliced from one socket to the other, each direction by itself, so that one may end before the
 * other. A pipe is held only by a direction whose receiver does not take what it has.
 * Of SCTP, messages are copied, each whole (up to MESSAGE bytes), with its stream, its protocol and whether it is ordered.
 */
#include "proxy.h"

enum { AT_ONCE = 64, ROUNDS = 16, CHUNK = 1 << 20, PIPE_SIZE = 1 << 18, SPARE_PIPES = 32, MESSAGE = 1 << 16 };
enum { F_SETPIPE_SZ = 1031, SPLICE_F_MOVE = 1, SPLICE_F_NONBLOCK = 2, SHUT_WR = 1, SO_ERROR = 4, SO_LINGER = 13, ECONNABORTED = 103 };

struct side { u32 kind; i32 fd; struct connection *of; };
struct way {
  i32 in, out;                   /* a pipe's ends */
  u8 *message;                   /* SCTP: room for one, and on which stream it goes on */
  struct { u16 stream, flags; u32 protocol, context; i32 association; } info;
  u64 held;
  u8 ended, done;
};
struct connection {
  struct side sides[2];          /* the client's, the container's */
  struct way ways[2];            /* from sides[n] to the other */
  struct forward *forward;
  struct connection *next, *previous;
  struct connection *more;       /* in the list of those with more to do, or of the dead */
  u8 connecting, listed, dead;
};

static struct pool pool = { .size = sizeof(struct connection) };
static struct connection *busy, *dead;
static struct { i32 in, out; } pipes[SPARE_PIPES];
static u32 pipe_count;

static int take_pipe(struct way *way) {
  i32 ends[2];
  if (way->out) return 1;
  if (pipe_count > 0) {
    pipe_count--;
    way->out = pipes[pipe_count].out;
    way->in = pipes[pipe_count].in;
    return 1;
  }
  if (sys2(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK) < 0) return 0;
  sys3(SYS_fcntl, ends[1], F_SETPIPE_SZ, PIPE_SIZE);
  way->out = ends[0];
  way->in = ends[1];
  return 1;
}

/* One with bytes in it is of no use to others. */
static void give_pipe(struct way *way) {
  if (!way->out) return;
  if (way->held == 0 && pipe_count < SPARE_PIPES) {
    pipes[pipe_count].in = way->in;
    pipes[pipe_count++].out = way->out;
  } else {
    sys1(SYS_close, way->in);
    sys1(SYS_close, way->out);
  }
  way->in = way->out = 0;
}

/* `reset`: the other side is to see that this was no proper end. */
static void close_connection(struct connection *c, int reset) {
  if (c->dead) return;
  for (int n = 0; n < 2; n++) {
    struct { i32 on, seconds; } linger = { 1, 0 };
    if (reset) sys5(SYS_setsockopt, c->sides[n].fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    sys1(SYS_close, c->sides[n].fd);
    give_pipe(&c->ways[n]);
    if (c->ways[n].message) sys2(SYS_munmap, c->ways[n].message, MESSAGE);
  }
  if (c->next) c->next->previous = c->previous;
  if (c->previous) c->previous->next = c->next;
  else c->forward->connections = c->next;
  c->dead = 1;
  /* One that is in the other list is found dead there. */
  if (!c->listed) {
    c->more = dead;
    dead = c;
  }
}

static i64 splice(i32 from, i32 to, u64 size) {
  i64 moved;
  do moved = sys(SYS_splice, from, 0, to, 0, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  while (moved == -EINTR);
  return moved;
}

/* The next message; its size, 0 at the end. */
static i64 take_message(struct way *way, i32 from) {
  struct { struct cmsghdr header; u16 stream, sequence, flags; u32 protocol, rest[3]; i32 association; } info = { 0 };
  if (!way->message) {
    i64 at = sys(SYS_mmap, 0, MESSAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0ul, 0);
    if (at < 0 && at > -4096) return at;
    way->message = (u8 *)at;
  }
  struct iovec iov = { way->message, MESSAGE };
  struct msghdr message = { .iov = &iov, .iov_count = 1, .control = &info, .control_size = sizeof info };
  i64 got = sys3(SYS_recvmsg, from, &message, MSG_DONTWAIT);
  if (message.control_size < sizeof info.header || info.header.type != SCTP_RCVINFO) info.stream = info.flags = info.protocol = 0;
  way->info.stream = info.stream;
  way->info.flags = info.flags & 1; /* SCTP_UNORDERED */
  way->info.protocol = info.protocol;
  return got;
}

static i64 send_message(struct way *way, i32 to) {
  struct { struct cmsghdr header; u8 info[sizeof way->info]; } info = { .header = { sizeof info, SOL_SCTP, SCTP_SNDINFO } };
  for (u64 i = 0; i < sizeof way->info; i++) info.info[i] = ((const u8 *)&way->info)[i];
  struct iovec iov = { way->message, way->held };
  struct msghdr message = { .iov = &iov, .iov_count = 1, .control = &info, .control_size = sizeof info };
  return sys3(SYS_sendmsg, to, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* 1: there may be more at once. 0: not before an event, or ever. Negative: the connection is broken. */
static i64 pump(struct connection *c, int n) {
  struct way *way = &c->ways[n];
  int whole = c->forward->told.protocol == SCTP;
  for (int round = 0; round < ROUNDS && !way->done; round++) {
    if (way->held == 0 && !way->ended) {
      if (!whole && !take_pipe(way)) return -EMFILE;
      i64 got = whole ? take_message(way, c->sides[n].fd) : splice(c->sides[n].fd, way->in, CHUNK);
      if (got < 0) {
        give_pipe(way);
        return got == -EAGAIN ? 0 : got;
      }
      way->held = (u64)got;
      way->ended = got == 0;
    }
    if (way->held > 0) {
      i64 sent = whole ? send_message(way, c->sides[!n].fd) : splice(way->out, c->sides[!n].fd, way->held);
      if (sent < 0) return sent == -EAGAIN ? 0 : sent;
      way->held -= (u64)sent;
    }
    if (way->held == 0 && way->ended) {
      sys2(SYS_shutdown, c->sides[!n].fd, SHUT_WR);
      way->done = 1;
      give_pipe(way);
    }
  }
  return !way->done;
}

static void pump_both(struct connection *c) {
  i64 there = pump(c, 0), back = there < 0 ? there : pump(c, 1);
  if (there < 0 || back < 0) close_connection(c, 1);
  else if (c->ways[0].done && c->ways[1].done) close_connection(c, 0);
  else if ((there || back) && !c->listed) {
    c->listed = 1;
    c->more = busy;
    busy = c;
  }
}

/* Something happened to one side. */
void advance(void *what) {
  struct side *side = what;
  struct connection *c = side->of;
  if (c->dead) return;
  if (c->connecting) {
    if (side != &c->sides[1]) return;
    i32 error = 0;
    u32 size = sizeof error;
    sys5(SYS_getsockopt, side->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
      close_connection(c, 0);
      return;
    }
    c->connecting = 0;
  }
  if (!c->listed) pump_both(c);
}

int go_on(void) {
  struct connection *c = busy;
  busy = 0;
  while (c) {
    struct connection *next = c->more;
    c->listed = 0;
    if (c->dead) {
      c->more = dead;
      dead = c;
    } else pump_both(c);
    c = next;
  }
  return busy != 0;
}

/* Only now: an event of the same turn may have been about one that died in it. */
void bury(void) {
  while (dead) {
    struct connection *c = dead;
    dead = c->more;
    give_back(&pool, c);
  }
}

static void begin(struct forward *forward, i32 fd) {
  i32 to = open_towards(forward, SOCK_STREAM);
  struct connection *c = to < 0 ? 0 : take(&pool);
  if (!c) {
    if (to >= 0) sys1(SYS_close, to);
    sys1(SYS_close, fd);
    return;
  }
  if (forward->told.protocol == SCTP) tune(fd, SCTP);
  c->sides[0] = (struct side){ END, fd, c };
  c->sides[1] = (struct side){ END, to, c };
  c->connecting = 1;
  c->forward = forward;
  c->next = forward->connections;
  if (c->next) c->next->previous = c;
  forward->connections = c;
  u32 events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  if (watch(fd, events, &c->sides[0]) < 0 || watch(to, events, &c->sides[1]) < 0) close_connection(c, 1);
}

void accept_all(struct forward *forward) {
  for (int n = 0; n < AT_ONCE; n++) {
    i64 fd = sys4(SYS_accept4, forward->fd, 0, 0, O_CLOEXEC | O_NONBLOCK);
    if (fd == -EMFILE || fd == -ENFILE) {
      /* Otherwise it would be told of again and again. */
      use_spare();
      fd = sys4(SYS_accept4, forward->fd, 0, 0, O_CLOEXEC | O_NONBLOCK);
      if (fd >= 0) sys1(SYS_close, fd);
      return;
    }
    if (fd == -ECONNABORTED || fd == -EINTR) continue;
    if (fd < 0) return;
    begin(forward, (i32)fd);
  }
}

void end_connections(struct forward *forward) {
  while (forward->connections) close_connection(forward->connections, 1);
}
