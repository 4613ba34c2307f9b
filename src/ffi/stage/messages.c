/*
 * Bytes and file descriptors over unix sockets.
 */
#include "plan.h"

enum { RIGHTS_MAX = HELD_MAX };
struct rights { struct cmsghdr header; i32 fds[RIGHTS_MAX]; };

i64 send_fds(int fd, const void *payload, u64 size, const i32 *fds, u32 count, int flags) {
  struct rights rights = { .header = { sizeof(struct cmsghdr) + count * sizeof(i32), SOL_SOCKET, SCM_RIGHTS } };
  for (u32 i = 0; i < count; i++) rights.fds[i] = fds[i];
  struct iovec iov = { (void *)payload, size };
  struct msghdr message = { .iov = &iov, .iov_count = 1 };
  if (count > 0) {
    message.control = &rights;
    message.control_size = (rights.header.size + 7) & ~7ul;
  }
  i64 sent;
  do sent = sys3(SYS_sendmsg, fd, &message, flags | MSG_NOSIGNAL);
  while (sent == -EINTR);
  return sent;
}

i64 send_frame(int fd, struct frame frame, int flags) {
  i64 sent = send_fds(fd, &frame, sizeof frame, 0, 0, flags);
  return sent < 0 ? sent : 0;
}

/* One receive; of the fds that came along, `fds` gets as many as it has room for. Others are closed. */
i64 receive(int fd, void *into, u64 size, i32 *fds, u32 room, int flags) {
  struct rights rights = { 0 };
  struct iovec iov = { into, size };
  struct msghdr message = { .iov = &iov, .iov_count = 1, .control = &rights, .control_size = sizeof rights };
  i64 got;
  do got = sys3(SYS_recvmsg, fd, &message, flags | MSG_CMSG_CLOEXEC);
  while (got == -EINTR);
  if (got < 0 || message.control_size < sizeof(struct cmsghdr) || rights.header.type != SCM_RIGHTS) return got;
  u64 count = (rights.header.size - sizeof(struct cmsghdr)) / sizeof(i32);
  for (u64 i = 0; i < count && i < RIGHTS_MAX; i++) {
    if (i < room) fds[i] = rights.fds[i];
    else sys1(SYS_close, rights.fds[i]);
  }
  return got;
}

/* The next client of a listening socket, not blocking; negative when there is none, or it is another user's. */
i64 accept_own(i32 listen) {
  i64 fd = sys4(SYS_accept4, listen, 0, 0, O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fd;
  struct ucred peer = { 0, ~0u, ~0u };
  u32 size = sizeof peer;
  i64 error = sys5(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  if (error >= 0 && peer.uid == (u32)sys1(SYS_geteuid, 0)) return fd;
  sys1(SYS_close, fd);
  return -1;
}
