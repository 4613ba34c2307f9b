/*
 * The proxy's ports, who tells it of them, and its loop.
 */
#include "proxy.h"

enum { F_DUPFD_CLOEXEC = 1030, SIGINT = 2, SIGPIPE = 13, SIGTERM = 15, CLOCK_MONOTONIC = 1, EVENTS = 128, LOOK_AGAIN_MS = 2000, PAGES = 65536 };
enum { IPPROTO_TCP_ = 6, SO_KEEPALIVE = 9, TCP_NODELAY = 1, TCP_KEEPIDLE = 4, TCP_KEEPINTVL = 5 };

i32 epoll;
u64 now;
static struct { u32 kind; i32 fd; } control = { CONTROL, -1 }, client = { CLIENT, -1 }, signals = { SIGNALS_, -1 };
static struct forward *forwards;
static struct pool forward_pool = { .size = sizeof(struct forward) };
static i32 folder = -1, spare = -1;

void *take(struct pool *pool) {
  if (pool->free) {
    void *item = pool->free;
    pool->free = *(void **)item;
    return memset(item, 0, pool->size);
  }
  if (pool->left < pool->size) {
    i64 at = sys(SYS_mmap, 0, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0ul, 0);
    if (at < 0 && at > -4096) return 0;
    pool->fresh = (void *)at;
    pool->left = PAGES;
  }
  void *item = pool->fresh;
  pool->fresh = (u8 *)item + pool->size;
  pool->left -= pool->size;
  return item;
}

void give_back(struct pool *pool, void *item) {
  *(void **)item = pool->free;
  pool->free = item;
}

void keep_spare(void) {
  if (spare < 0) spare = (i32)sys3(SYS_fcntl, epoll, F_DUPFD_CLOEXEC, 3);
}

void use_spare(void) {
  sys1(SYS_close, spare);
  spare = -1;
}

i64 watch(i32 fd, u32 events, void *what) {
  struct event event = { events, what };
  return sys4(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event);
}

static void set(i32 fd, int level, int name, i32 value) { sys5(SYS_setsockopt, fd, level, name, &value, sizeof value); }

/* As Go's programs have it, docker-proxy too: a peer that is gone without a word is noticed. */
void tune(i32 fd, int protocol) {
  if (protocol == SCTP) {
    u16 streams[4] = { 0xffff, 0, 0, 0 };
    sys5(SYS_setsockopt, fd, SOL_SCTP, SCTP_INITMSG, streams, sizeof streams);
    set(fd, SOL_SCTP, SCTP_RECVRCVINFO, 1);
    set(fd, SOL_SCTP, SCTP_NODELAY, 1);
    return;
  }
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP_, TCP_NODELAY, 1);
  set(fd, IPPROTO_TCP_, TCP_KEEPIDLE, 15);
  set(fd, IPPROTO_TCP_, TCP_KEEPINTVL, 15);
}

static u64 size_of(const struct address *address) { return address->family == AF_INET ? 16 : 28; }

/* A socket that is on its way to the container's; -errno. */
i32 open_towards(const struct forward *forward, int type) {
  const struct told *told = &forward->told;
  i64 fd = sys3(SYS_socket, told->to.family, type | O_CLOEXEC | O_NONBLOCK, told->protocol);
  if (fd < 0) return (i32)fd;
  if (type == SOCK_STREAM) tune((i32)fd, told->protocol);
  i64 result = sys3(SYS_connect, fd, &told->to, size_of(&told->to));
  if (result >= 0 || result == -EINPROGRESS) return (i32)fd;
  sys1(SYS_close, fd);
  return (i32)result;
}

static int equal(const struct address *a, const struct address *b) {
  for (u64 i = 0; i < sizeof *a; i++) if (((const u8 *)a)[i] != ((const u8 *)b)[i]) return 0;
  return 1;
}

static void remove(u16 protocol, const struct address *from) {
  for (struct forward **at = &forwards; *at; at = &(*at)->next) {
    struct forward *forward = *at;
    if (forward->told.protocol != protocol || !equal(&forward->told.from, from)) continue;
    *at = forward->next;
    sys1(SYS_close, forward->fd);
    end_connections(forward);
    end_flows(forward);
    give_back(&forward_pool, forward);
    return;
  }
}

/* The socket becomes ours. */
static void add(const struct told *told, i32 fd) {
  remove(told->protocol, &told->from);
  struct forward *forward = take(&forward_pool);
  if (!forward) {
    sys1(SYS_close, fd);
    return;
  }
  forward->kind = told->protocol == UDP ? DATAGRAMS : LISTENER;
  forward->fd = fd;
  forward->told = *told;
  forward->next = forwards;
  forwards = forward;
  /* Inherited by the connections. */
  if (told->protocol != UDP) tune(fd, told->protocol);
  watch(fd, EPOLLIN, forward);
}

static void list(i32 index) {
  struct forward *forward = forwards;
  for (i32 i = 0; forward && i < index; i++) forward = forward->next;
  struct told reply = { .op = PROXY_LAST };
  if (forward) reply = forward->told;
  if (forward) reply.op = PROXY_KNOWN;
  reply.value = index;
  send_fds(client.fd, &reply, sizeof reply, forward ? &forward->fd : 0, forward ? 1 : 0, MSG_DONTWAIT);
}

static void drop_client(void) {
  if (client.fd >= 0) sys1(SYS_close, client.fd);
  client.fd = -1;
  /* Whoever started us is gone before it said what for. */
  if (!forwards) end(0);
}

/* A new client displaces the old one. */
static void accept_client(void) {
  i64 fd = accept_own(control.fd);
  if (fd < 0) return;
  if (client.fd >= 0) sys1(SYS_close, client.fd);
  client.fd = (i32)fd;
  watch(client.fd, EPOLLIN, &client);
}

static void listen_to_client(void) {
  struct told told;
  i32 fd = -1;
  i64 got = receive(client.fd, &told, sizeof told, &fd, 1, MSG_DONTWAIT);
  if (got == -EAGAIN) return;
  if (got != sizeof told) drop_client();
  else if (told.op == PROXY_ADD && fd >= 0) {
    add(&told, fd);
    return;
  } else if (told.op == PROXY_REMOVE) remove(told.protocol, &told.from);
  else if (told.op == PROXY_LIST) list(told.value);
  else if (told.op == PROXY_END) end(0);
  if (fd >= 0) sys1(SYS_close, fd);
}

/* Nobody is there, and nobody can come any more: the folder of our socket has been removed. Or nobody came. */
static int is_forgotten(void) {
  struct statx found;
  if (client.fd >= 0 || folder < 0) return 0;
  if (!forwards) return 1;
  return sys5(SYS_statx, folder, "", AT_EMPTY_PATH, STATX_NLINK, &found) == 0 && found.links == 0;
}

static void look_at_clock(void) {
  struct timespec time = { 0, 0 };
  sys2(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
  now = (u64)time.sec * 1000 + (u64)time.nsec / 1000000;
}

static i64 patience(int busy) {
  i64 flows = expire_flows();
  if (busy) return 0;
  if (client.fd >= 0 || control.fd < 0) return flows;
  return flows >= 0 && flows < LOOK_AGAIN_MS ? flows : LOOK_AGAIN_MS;
}

static void handle(u32 *what) {
  switch (*what) {
    case CONTROL: accept_client(); break;
    case CLIENT: listen_to_client(); break;
    case LISTENER: accept_all((struct forward *)what); break;
    case DATAGRAMS: take_datagrams((struct forward *)what); break;
    case END: advance(what); break;
    case FLOW: take_replies(what); break;
    case SIGNALS_: end(0);
  }
}

/* Ports are added and removed before the rest: nothing that one of these events tells of is freed under it. */
static void handle_all(struct event *events, i64 count) {
  for (i64 i = 0; i < count; i++) {
    if (*(u32 *)events[i].data != CONTROL && *(u32 *)events[i].data != CLIENT) handle(events[i].data);
  }
  for (i64 i = 0; i < count; i++) {
    if (*(u32 *)events[i].data == CONTROL || *(u32 *)events[i].data == CLIENT) handle(events[i].data);
  }
}

/* `first`: what it begins with; each one's value is its socket. */
void proxy(i32 listen, i32 beside, const struct told *first, u32 count, struct plan *plan, struct status *status) {
  struct { u64 handler, flags, restorer, mask; } ignore = { 1, 0, 0, 0 };
  sys4(SYS_rt_sigaction, SIGPIPE, &ignore, 0, 8);
  /* To be ended is no failure, say those who end a docker-proxy. */
  u64 ending = 1ul << (SIGINT - 1) | 1ul << (SIGTERM - 1);
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &ending, 0, 8);
  signals.fd = (i32)sys4(SYS_signalfd4, -1, &ending, 8, O_CLOEXEC | O_NONBLOCK);
  epoll = (i32)sys1(SYS_epoll_create1, O_CLOEXEC);
  watch(signals.fd, EPOLLIN, &signals);
  control.fd = listen;
  folder = beside;
  keep_spare();
  if (listen >= 0) watch(listen, EPOLLIN, &control);
  for (u32 i = 0; i < count; i++) add(&first[i], first[i].value);
  status->processes[0].state = KEEPING;
  sys2(SYS_munmap, plan, plan->size);
  sys2(SYS_munmap, status, 4096);
  struct event events[EVENTS];
  for (int busy = 0;;) {
    i64 got = sys(SYS_epoll_pwait, epoll, (u64)events, EVENTS, patience(busy), 0, 8);
    look_at_clock();
    if (got == 0 && !busy && is_forgotten()) end(0);
    handle_all(events, got);
    busy = go_on();
    bury();
    keep_spare();
  }
}
