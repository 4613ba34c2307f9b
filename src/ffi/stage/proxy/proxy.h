/*
 * PROXY: ts-proxy's loop. It forwards what comes to listening sockets of the host to addresses of containers, in one
 * process for all of them. What it forwards, and the sockets, are told to it (src/engine/network/proxy/).
 */
#pragma once
#include "../plan.h"

#if defined(__x86_64__)
enum {
  SYS_socket = 41, SYS_connect = 42, SYS_sendto = 44, SYS_recvfrom = 45, SYS_shutdown = 48, SYS_setsockopt = 54,
  SYS_epoll_ctl = 233, SYS_splice = 275, SYS_epoll_pwait = 281, SYS_epoll_create1 = 291, SYS_pipe2 = 293,
};
struct event { u32 events; void *data; } __attribute__((packed));
#else
enum {
  SYS_epoll_create1 = 20, SYS_epoll_ctl = 21, SYS_epoll_pwait = 22, SYS_pipe2 = 59, SYS_splice = 76, SYS_socket = 198,
  SYS_connect = 203, SYS_sendto = 206, SYS_recvfrom = 207, SYS_setsockopt = 208, SYS_shutdown = 210,
};
struct event { u32 events; void *data; };
#endif
enum { EPOLLIN = 1, EPOLLOUT = 4, EPOLLRDHUP = 0x2000, EPOLL_CTL_ADD = 1 };
#define EPOLLET 0x80000000u
enum { EINPROGRESS = 115, ECONNREFUSED = 111, ENFILE = 23, EMFILE = 24 };
enum { SOL_SCTP = 132, SCTP_INITMSG = 2, SCTP_NODELAY = 3, SCTP_RECVRCVINFO = 32, SCTP_SNDINFO = 2, SCTP_RCVINFO = 3 };
enum { AF_INET = 2, AF_INET6 = 10, SOCK_STREAM = 1, SOCK_DGRAM = 2, TCP = 6, UDP = 17, SCTP = 132 };

enum kind { CONTROL = 1, CLIENT, SIGNALS_, LISTENER, DATAGRAMS, END, FLOW };

/* One port. All that epoll tells of begins with its kind. */
struct forward {
  u32 kind;
  i32 fd;
  struct told told;
  struct forward *next;
  struct connection *connections;
};

extern i32 epoll;
extern u64 now; /* milliseconds, when the last events came */

void *memset(void *to, int byte, unsigned long size);
i64 watch(i32 fd, u32 events, void *what);
/* What a socket for streams or messages should have. */
void tune(i32 fd, int protocol);
i32 open_towards(const struct forward *forward, int type);
/* Zeroed; what is freed is for the next of the same size. */
struct pool { u32 size; void *free, *fresh; u64 left; };
void *take(struct pool *pool);
void give_back(struct pool *pool, void *item);
/* Out of descriptors: there is one more, once, to say so to whoever waits. */
void use_spare(void);
void keep_spare(void);

/* stream.c */
void accept_all(struct forward *forward);
void advance(void *end);
void end_connections(struct forward *forward);
/* What is left to do without waiting for an event: whether there is something. */
int go_on(void);
void bury(void);

/* datagram.c */
void take_datagrams(struct forward *forward);
void take_replies(void *flow);
void end_flows(struct forward *forward);
/* Forgets the idle ones; milliseconds until there will be another, or -1. */
i64 expire_flows(void);
