/*
 * KEEP: the keeper of one container or exec (design.md, section 5). It holds what the process needs to live on while
 * shim and daemon come and go, tells its one client of the exit, and leaves the exit record.
 */
#include "plan.h"

static struct keep kept;
static i32 kept_pid, client, signals;
static u32 generation, watches_fired;
static u64 watch_counts[WATCH_MAX];
static int ended;
static struct exit_record exit_note;
static u8 partial[sizeof(struct frame)];
static u64 partial_size;
static i32 sent_fd;
static struct frame told[4 + WATCH_MAX];
static u32 told_count;

static void drop_client(void) {
  if (client >= 0) sys1(SYS_close, client);
  if (sent_fd >= 0) sys1(SYS_close, sent_fd);
  client = sent_fd = -1;
  partial_size = told_count = 0;
}

/*
 * What is told at one time is sent in one: each message would wake the client, often on this very processor. Never waits: a
 * client that does not read is dropped, and learns all of it again when it comes back.
 */
static void send_told(void) {
  u64 size = told_count * sizeof *told;
  told_count = 0;
  if (size > 0 && send_fds(client, told, size, 0, 0, MSG_DONTWAIT) < 0) drop_client();
}

static void tell(u16 type, u16 a, i64 value) {
  if (client < 0) return;
  told[told_count++] = (struct frame){ type, a, generation, value };
  if (told_count == sizeof told / sizeof *told) send_told();
}

static void greet(i32 fd) {
  drop_client();
  client = fd;
  generation++;
  tell(FRAME_HELLO, KEEPER_VERSION, (i64)KEEPER_CAPABILITIES << 32 | (u32)kept_pid);
  for (u32 i = 0; i < kept.watch_count; i++) {
    if (watches_fired >> i & 1) tell(FRAME_WATCH, (u16)i, (i64)watch_counts[i]);
  }
  if (ended) tell(FRAME_EXIT, (u16)exit_note.status, exit_note.time);
}

/* A new client displaces the old one: after a crash nobody should wait for a shim that hangs. */
static void accept_client(void) {
  i64 fd = accept_own(kept.listen);
  if (fd < 0) return;
  tell(FRAME_DISPLACED, 0, 0);
  send_told();
  greet((i32)fd);
}

/* The fds go into a socket of their own: the control socket stays a plain stream that any event loop can read. */
static void hand_over(void) {
  if (sent_fd < 0) {
    tell(FRAME_REFUSED, FRAME_TAKE, 0);
    return;
  }
  i32 fds[HELD_MAX];
  u32 names[HELD_MAX], count = 0;
  for (u32 i = 0; i < kept.held_count; i++) {
    if (kept.held[i].name == HELD_MOUNTS) continue;
    fds[count] = kept.held[i].fd;
    names[count++] = kept.held[i].name;
  }
  i64 sent = send_fds(sent_fd, names, count * sizeof *names, fds, count, MSG_DONTWAIT);
  sys1(SYS_close, sent_fd);
  sent_fd = -1;
  if (sent < 0) tell(FRAME_REFUSED, FRAME_TAKE, sent);
  else tell(FRAME_TAKEN, (u16)count, 0);
}

static void let_go(enum held_name name) {
  for (u32 i = 0; i < kept.held_count; i++) {
    if (kept.held[i].name != name) continue;
    sys1(SYS_close, kept.held[i].fd);
    kept.held[i] = kept.held[--kept.held_count];
    return;
  }
}

static void obey(const struct frame *frame) {
  if (frame->generation != generation) return;
  switch (frame->type) {
    case FRAME_TAKE: hand_over(); break;
    case FRAME_CLOSE_STDIN: let_go(HELD_STDIN); break;
    case FRAME_END:
      if (ended) end(0);
      tell(FRAME_REFUSED, FRAME_END, 0);
      break;
    default: tell(FRAME_REFUSED, frame->type, 0); /* of a newer client: it may do without */
  }
}

static void listen_to_client(void) {
  i64 got = receive(client, partial + partial_size, sizeof partial - partial_size, &sent_fd, sent_fd < 0, MSG_DONTWAIT);
  if (got == -EAGAIN) return;
  if (got <= 0) {
    drop_client();
    return;
  }
  partial_size += (u64)got;
  if (partial_size < sizeof partial) return;
  partial_size = 0;
  obey((const struct frame *)partial);
}

/*
 * The record first, then the client: whoever is told can rely on the file. Last what the container had mounted: with
 * the namespace's last reference goes every mount in it, of which a written one may have to wait for the disk.
 */
static void note_exit(i32 wait_status) {
  struct timespec now;
  sys2(SYS_clock_gettime, 0, &now);
  exit_note.magic = EXIT_MAGIC;
  exit_note.version = EXIT_VERSION;
  exit_note.pid = kept_pid;
  exit_note.status = exit_status(wait_status);
  exit_note.time = now.sec * 1000000000 + now.nsec;
  exit_note.watches = watches_fired;
  if (kept.record >= 0) sys4(SYS_pwrite64, kept.record, &exit_note, sizeof exit_note, 0);
  ended = 1;
  tell(FRAME_EXIT, (u16)exit_note.status, exit_note.time);
  send_told();
  let_go(HELD_MOUNTS);
}

/* Orphans come to us as well: we are a subreaper. */
static void reap_all(void) {
  u8 ignored[128];
  while (sys3(SYS_read, signals, ignored, sizeof ignored) > 0);
  i32 result, gone;
  while ((gone = (i32)sys4(SYS_wait4, -1, &result, WNOHANG | WALL, 0)) > 0) {
    if (gone == kept_pid) note_exit(result);
  }
}

/* `oom_kill N` of a v2 memory.events; reading it also makes the next change poll again. Negative: the cgroup is gone. */
static i64 oom_kills(i32 fd) {
  char text[256];
  i64 size = sys4(SYS_pread64, fd, text, sizeof text, 0);
  if (size < 0) return size;
  static const char key[] = "\noom_kill ";
  for (i64 at = 0; at + (i64)sizeof key < size; at++) {
    i64 same = 0, count = 0;
    while (same < (i64)sizeof key - 1 && text[at + same] == key[same]) same++;
    if (same < (i64)sizeof key - 1) continue;
    for (at += same; at < size && text[at] >= '0' && text[at] <= '9'; at++) count = count * 10 + (text[at] - '0');
    return count;
  }
  return 0;
}

/* How often it fired since the last look; negative: it never will again. */
static i64 firings(u32 index) {
  struct named_fd *watch = &kept.watches[index];
  if (watch->name == WATCH_EVENTFD) {
    u64 count = 0;
    i64 got = sys3(SYS_read, watch->fd, &count, sizeof count);
    return got == -EAGAIN ? 0 : got < 0 ? got : (i64)count;
  }
  i64 kills = oom_kills(watch->fd);
  return kills < 0 ? kills : kills - (i64)watch_counts[index];
}

static void look_at(u32 index) {
  i64 count = firings(index);
  if (count < 0) kept.watches[index].fd = -1; /* polling it on would never sleep */
  if (count <= 0 || ended) return;
  watches_fired |= 1u << index;
  watch_counts[index] += (u64)count;
  tell(FRAME_WATCH, (u16)index, (i64)watch_counts[index]);
}

static int is_kept(i32 fd) {
  if (fd == kept.listen || fd == kept.record || fd == client || fd == signals) return 1;
  for (u32 i = 0; i < kept.held_count; i++) if (kept.held[i].fd == fd) return 1;
  for (u32 i = 0; i < kept.watch_count; i++) if (kept.watches[i].fd == fd) return 1;
  return 0;
}

/* Above all the write ends of stdout and stderr: a reader must see the end when the container closes its own. */
static void close_all_else(void) {
  i32 from = 0;
  for (i32 fd = 0; fd < 1024; fd++) {
    if (!is_kept(fd)) continue;
    if (fd > from) sys3(SYS_close_range, from, fd - 1, 0);
    from = fd + 1;
  }
  sys3(SYS_close_range, from, ~0u, 0);
}

/* The exit is noted, nobody is there, and nobody can come any more: the record's folder has been removed. */
static int is_forgotten(void) {
  struct statx record;
  if (!ended || client >= 0) return 0;
  if (kept.listen < 0) return 1;
  if (kept.record < 0) return 0;
  return sys5(SYS_statx, kept.record, "", AT_EMPTY_PATH, STATX_NLINK, &record) == 0 && record.links == 0;
}

static void wait_for_something(void) {
  send_told();
  struct pollfd polled[3 + WATCH_MAX] = {
    { signals, POLLIN, 0 }, { kept.listen, POLLIN, 0 }, { client, POLLIN, 0 },
  };
  for (u32 i = 0; i < kept.watch_count; i++) {
    polled[3 + i].fd = kept.watches[i].fd;
    polled[3 + i].events = kept.watches[i].name == WATCH_PRIORITY ? POLLPRI : POLLIN;
  }
  struct timespec look_again = { 2, 0 };
  struct timespec *timeout = ended && client < 0 ? &look_again : 0;
  if (sys5(SYS_ppoll, polled, 3 + kept.watch_count, timeout, 0, 8) <= 0) return;
  /* An oom before the exit that it caused. */
  for (u32 i = 0; i < kept.watch_count; i++) {
    if (polled[3 + i].revents) look_at(i);
  }
  if (polled[0].revents) reap_all();
  if (polled[2].revents && client == polled[2].fd) listen_to_client();
  if (polled[1].revents) accept_client();
}

void keep(i32 pid, const struct keep *what, struct plan *plan, struct status *status) {
  kept = *what;
  kept_pid = pid;
  for (int i = 0; i < BOOT_ID; i++) exit_note.boot_id[i] = kept.boot_id[i];
  u64 all = ~0ul;
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
  signals = (i32)sys4(SYS_signalfd4, -1, &(u64){ 1ul << (SIGCHLD - 1) }, 8, O_CLOEXEC | O_NONBLOCK);
  client = sent_fd = -1;
  struct ucred peer;
  u32 size = sizeof peer;
  i32 first = sys5(SYS_getsockopt, CONTROL_FD, SOL_SOCKET, SO_PEERCRED, &peer, &size) >= 0 ? CONTROL_FD : -1;
  client = first;
  close_all_else();
  client = -1;
  status->processes[0].state = KEEPING;
  /* The plan holds the container's environment. */
  sys2(SYS_munmap, plan, plan->size);
  sys2(SYS_munmap, status, 4096);
  if (first >= 0) greet(first);
  reap_all();
  /* It may have asked for the fds already. */
  listen_to_client();
  while (!is_forgotten()) wait_for_something();
  end(0);
}
