/*
 * Datagrams: for each client a socket of its own towards the container, so that replies find their way back; from the
 * address that the client had sent to. Forgotten when it has been idle for a while, as docker-proxy does.
 */
#include "proxy.h"

enum { AT_ONCE = 64, IDLE_MS = 90000, FLOWS_MAX = 16384, BUCKETS = 1024, SIZE_MAX_ = 65536 };
enum { IPPROTO_IP = 0, IPPROTO_IPV6 = 41, IP_PKTINFO = 8, IPV6_PKTINFO = 50 };

/* One IP_PKTINFO or IPV6_PKTINFO, which tells the address of this host. */
struct local { struct cmsghdr header; union { struct { i32 link; u8 ours[4], header[4]; } four; struct { u8 ours[16]; i32 link; } six; }; };

struct flow {
  u32 kind;
  i32 fd;
  struct forward *forward;
  struct address client;
  struct local local;
  u64 last;
  struct flow *next;                /* of the same bucket */
  struct flow *older, *newer;
  u8 dead;
};

static struct pool pool = { .size = sizeof(struct flow) };
static struct flow *buckets[BUCKETS], *oldest, *newest, *dead;
static u32 count;
static u8 datagram[SIZE_MAX_];

static u32 bucket_of(const struct forward *forward, const struct address *client) {
  u32 hash = (u32)(u64)forward ^ 2166136261u;
  for (u64 i = 0; i < sizeof *client; i++) hash = (hash ^ ((const u8 *)client)[i]) * 16777619u;
  return (hash ^ hash >> 16) % BUCKETS;
}

static int same(const void *a, const void *b, u64 size) {
  for (u64 i = 0; i < size; i++) if (((const u8 *)a)[i] != ((const u8 *)b)[i]) return 0;
  return 1;
}

static void unlink_age(struct flow *flow) {
  if (flow->older) flow->older->newer = flow->newer;
  else oldest = flow->newer;
  if (flow->newer) flow->newer->older = flow->older;
  else newest = flow->older;
}

static void link_newest(struct flow *flow) {
  flow->older = newest;
  flow->newer = 0;
  if (newest) newest->newer = flow;
  else oldest = flow;
  newest = flow;
}

static void touch(struct flow *flow) {
  flow->last = now;
  if (flow == newest) return;
  unlink_age(flow);
  link_newest(flow);
}

static void drop(struct flow *flow) {
  struct flow **at = &buckets[bucket_of(flow->forward, &flow->client)];
  while (*at != flow) at = &(*at)->next;
  *at = flow->next;
  unlink_age(flow);
  sys1(SYS_close, flow->fd);
  count--;
  flow->dead = 1;
  /* Freed when the turn is over: one of its events may be about it. */
  flow->next = dead;
  dead = flow;
}

i64 expire_flows(void) {
  while (dead) {
    struct flow *flow = dead;
    dead = flow->next;
    give_back(&pool, flow);
  }
  while (oldest && now - oldest->last >= IDLE_MS) drop(oldest);
  return oldest ? (i64)(oldest->last + IDLE_MS - now) : -1;
}

void end_flows(struct forward *forward) {
  for (struct flow *flow = oldest, *next; flow; flow = next) {
    next = flow->newer;
    if (flow->forward == forward) drop(flow);
  }
}

/* What a reply needs to come from the right address. */
static void keep_local(struct local *local) {
  u8 *link_local = local->six.ours;
  if (local->header.level == IPPROTO_IP && local->header.type == IP_PKTINFO) {
    local->four.link = 0;
    for (int i = 0; i < 4; i++) local->four.header[i] = 0;
  } else if (local->header.level == IPPROTO_IPV6 && local->header.type == IPV6_PKTINFO) {
    if (link_local[0] != 0xfe || (link_local[1] & 0xc0) != 0x80) local->six.link = 0;
    /* Nothing comes from a multicast address. */
    if (link_local[0] == 0xff) for (int i = 0; i < 16; i++) link_local[i] = 0;
  } else local->header.size = 0;
}

static struct flow *begin(struct forward *forward, const struct address *from, const struct local *local) {
  if (count >= FLOWS_MAX) drop(oldest);
  i32 fd = open_towards(forward, SOCK_DGRAM);
  if ((fd == -EMFILE || fd == -ENFILE) && oldest) {
    drop(oldest);
    fd = open_towards(forward, SOCK_DGRAM);
  }
  struct flow *flow = fd < 0 ? 0 : take(&pool);
  if (!flow || watch(fd, EPOLLIN, flow) < 0) {
    if (flow) give_back(&pool, flow);
    if (fd >= 0) sys1(SYS_close, fd);
    return 0;
  }
  flow->kind = FLOW;
  flow->fd = fd;
  flow->forward = forward;
  flow->client = *from;
  flow->local = *local;
  struct flow **bucket = &buckets[bucket_of(forward, from)];
  flow->next = *bucket;
  *bucket = flow;
  count++;
  link_newest(flow);
  return flow;
}

static struct flow *find(struct forward *forward, const struct address *from, const struct local *local) {
  struct flow *flow = buckets[bucket_of(forward, from)];
  for (; flow; flow = flow->next) {
    if (flow->forward == forward && same(&flow->client, from, sizeof *from) && same(&flow->local, local, sizeof *local)) break;
  }
  return flow ? flow : begin(forward, from, local);
}

/* From clients. */
void take_datagrams(struct forward *forward) {
  for (int n = 0; n < AT_ONCE; n++) {
    struct address from = { 0 };
    struct local local = { 0 };
    struct iovec iov = { datagram, sizeof datagram };
    struct msghdr message = {
      .name = &from, .name_size = sizeof from, .iov = &iov, .iov_count = 1, .control = &local, .control_size = sizeof local,
    };
    i64 size = sys3(SYS_recvmsg, forward->fd, &message, MSG_DONTWAIT);
    if (size == -EINTR || size == -ECONNREFUSED) continue;
    if (size < 0) return;
    /* The flow label is not the client. */
    if (from.family == AF_INET6) for (int i = 0; i < 4; i++) from.rest[i] = 0;
    keep_local(&local);
    struct flow *flow = find(forward, &from, &local);
    if (!flow) continue;
    touch(flow);
    /* The first send after an ICMP error only tells of that. */
    for (int tries = 0; tries < 2; tries++) {
      if (sys(SYS_sendto, flow->fd, (u64)datagram, size, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0) != -ECONNREFUSED) break;
    }
  }
}

/* From the container. */
void take_replies(void *what) {
  struct flow *flow = what;
  if (flow->dead) return;
  for (int n = 0; n < AT_ONCE; n++) {
    i64 size = sys(SYS_recvfrom, flow->fd, (u64)datagram, sizeof datagram, MSG_DONTWAIT, 0, 0);
    if (size == -EINTR || size == -ECONNREFUSED) continue;
    if (size < 0) return;
    touch(flow);
    struct iovec iov = { datagram, (u64)size };
    struct msghdr message = {
      .name = &flow->client, .name_size = flow->client.family == AF_INET ? 16 : 28, .iov = &iov, .iov_count = 1,
    };
    if (flow->local.header.size) {
      message.control = &flow->local;
      message.control_size = flow->local.header.level == IPPROTO_IP ? 32 : 40;
    }
    sys3(SYS_sendmsg, flow->forward->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}
