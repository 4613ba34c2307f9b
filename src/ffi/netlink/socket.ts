/**
 * Netlink sockets, synchronous: the kernel does what a message says before `sendto` returns and has queued its answers by
 * then, so nothing here ever waits. A socket belongs to the network namespace that it was opened in for as long as it
 * lives, wherever its process goes.
 * @source netlink(7), rtnetlink(7)
 */
import { write } from "node:fs";
import { ERRNO } from "../errno.ts";
import { check, closeFd, SystemError, sys } from "../libc.ts";
import { socketIn } from "../netns.ts";
import { SOCK } from "../socket-flags.ts";
import { NETLINK_OPTION, NLM_F, NLMSG } from "./flags.ts";
import {
  decodeAcknowledgement,
  decodeMessages,
  encodeMessages,
  type Message,
  NetlinkError,
  type Reply,
} from "./message.ts";

/** The kernel makes dumps of at most 32 KiB, single answers are smaller. */
const DATAGRAM = 65_536;
/** Room for the acknowledgements of some 5,000 messages, which the kernel counts with their overhead. */
const RECEIVE_BUFFER = 4 << 20;
/** Below what every kernel lets a socket send by default. */
const SMALL = 131_072;
const MSG_TRUNC = 0x20;
/** Where every socket reads: what is in it is only looked at until the next call. */
const datagram = new Uint8Array(DATAGRAM);
const from = new Uint8Array(12);
const fromView = new DataView(from.buffer);
const fromLength = new Uint32Array(1);
/** A dump during which something changed is asked for again this often. */
const DUMP_TRIES = 10;

function setOption(fd: number, level: number, option: number, value: number): number {
  return sys("setsockopt", fd, level, option, new Int32Array([value]), 4);
}

export interface BatchResult {
  replies: Reply[];
  /** `at`: the message's place. */
  errors: { at: number; error: NetlinkError }[];
}

export class NetlinkSocket implements Disposable {
  readonly fd: number;
  #sequence = 1;
  #sendBuffer = SMALL;

  /** `protocol` is of `NETLINK`. In the namespace of that descriptor; else in that of the calling thread. Close-on-exec. */
  constructor(protocol: number, namespace?: number) {
    const { AF_NETLINK, SOCK_RAW, SOCK_CLOEXEC } = SOCK;
    this.fd =
      namespace === undefined
        ? check(sys("socket", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "open a netlink socket")
        : socketIn(namespace, AF_NETLINK, SOCK_RAW, protocol);
    const address = new Uint8Array(12);
    address[0] = SOCK.AF_NETLINK;
    const bound = sys("bind", this.fd, address, address.length);
    if (bound < 0) {
      closeFd(this.fd);
      throw new SystemError("bind a netlink socket", -bound);
    }
    // The kernel's words instead of our own message; a kernel without them answers as before.
    setOption(this.fd, NETLINK_OPTION.SOL_NETLINK, NETLINK_OPTION.NETLINK_CAP_ACK, 1);
    setOption(this.fd, NETLINK_OPTION.SOL_NETLINK, NETLINK_OPTION.NETLINK_EXT_ACK, 1);
    setOption(this.fd, NETLINK_OPTION.SOL_NETLINK, NETLINK_OPTION.NETLINK_GET_STRICT_CHK, 1);
    setOption(this.fd, SOCK.SOL_SOCKET, NETLINK_OPTION.SO_RCVBUFFORCE, RECEIVE_BUFFER);
  }

  /** One message, and what the kernel answers to it besides its acknowledgement. */
  request(message: Message): Reply[] {
    return this.batch([{ ...message, flags: message.flags | NLM_F.NLM_F_ACK }]);
  }

  /**
   * All in one datagram. rtnetlink does each that it can, also after one that fails; nf_tables all or none between its
   * batch messages. Messages with NLM_F_ACK are acknowledged one by one; others only answer when they fail.
   * @throws NetlinkError the first that failed, after all answers are read
   */
  batch(messages: readonly Message[]): Reply[] {
    const { replies, errors } = this.tryBatch(messages);
    const [first] = errors;
    if (first) throw first.error;
    return replies;
  }

  /** As `batch`, with what failed beside what was answered. */
  tryBatch(messages: readonly Message[]): BatchResult {
    const { first, bytes } = this.#encode(messages);
    const what = messages[0]!.what;
    check(sys("sendto", this.fd, bytes, bytes.length, SOCK.MSG_NOSIGNAL, 0, 0), what);
    return this.#collect(messages, first);
  }

  /**
   * As `tryBatch`, but a thread of the pool waits for the kernel: for what takes it long, as the removal of links does.
   * The socket does nothing else meanwhile.
   */
  async tryBatchLater(messages: readonly Message[]): Promise<BatchResult> {
    const { first, bytes } = this.#encode(messages);
    await new Promise<void>((resolve, reject) => {
      write(this.fd, bytes, (error) => (error ? reject(error) : resolve()));
    });
    return this.#collect(messages, first);
  }

  #collect(messages: readonly Message[], first: number): BatchResult {
    const replies: Reply[] = [];
    const errors: BatchResult["errors"] = [];
    const waiting = new Set<number>();
    for (const [at, { flags }] of messages.entries()) if (flags & NLM_F.NLM_F_ACK) waiting.add(at);
    for (;;) {
      const answer = this.#receive(messages[0]!.what);
      if (answer === undefined) break;
      for (const reply of decodeMessages(answer)) {
        // Answers that an earlier failure left unread are nobody's any more.
        const at = (reply.sequence - first) >>> 0;
        const message = messages[at];
        if (message === undefined) continue;
        if (reply.type !== NLMSG.NLMSG_ERROR) {
          replies.push({ ...reply, body: reply.body.slice() });
          continue;
        }
        waiting.delete(at);
        const { errno, reason, offset } = decodeAcknowledgement(reply);
        if (errno !== 0) errors.push({ at, error: new NetlinkError(message.what, errno, reason, offset) });
      }
    }
    // A transaction that is refused answers for what it refuses, and its other messages get no word.
    if (errors.length === 0 && waiting.size > 0) {
      const [at] = waiting;
      throw new NetlinkError(messages[at!]!.what, ERRNO.ENOMSG, "the kernel did not answer");
    }
    return { replies, errors };
  }

  /**
   * All answers of a dump, consistent: asked for again when something changed meanwhile.
   * @throws NetlinkError EINTR when it never stops changing
   */
  dump(message: Message): Reply[] {
    for (let n = 0; n < DUMP_TRIES; n++) {
      const replies = this.#dumpOnce(message);
      if (replies !== undefined) return replies;
    }
    throw new NetlinkError(message.what, ERRNO.EINTR);
  }

  #dumpOnce(message: Message): Reply[] | undefined {
    const asked = { ...message, flags: message.flags | NLM_F.NLM_F_DUMP };
    const { first: sequence, bytes } = this.#encode([asked]);
    check(sys("sendto", this.fd, bytes, bytes.length, SOCK.MSG_NOSIGNAL, 0, 0), message.what);
    const replies: Reply[] = [];
    let changed = false;
    for (;;) {
      const answer = this.#receive(message.what);
      if (answer === undefined)
        throw new NetlinkError(message.what, ERRNO.ENOMSG, "the kernel did not answer");
      for (const reply of decodeMessages(answer)) {
        if (reply.sequence !== sequence) continue;
        if (reply.flags & NLM_F.NLM_F_DUMP_INTR) changed = true;
        if (reply.type === NLMSG.NLMSG_ERROR || reply.type === NLMSG.NLMSG_DONE) {
          const { errno, reason, offset } = decodeAcknowledgement(reply);
          if (errno !== 0) throw new NetlinkError(message.what, errno, reason, offset);
          return changed ? undefined : replies;
        }
        replies.push({ ...reply, body: reply.body.slice() });
      }
    }
  }

  /** Subscribes to what a group is told: a number of the family's, `RTNLGRP_…`, `NFNLGRP_…`. */
  join(group: number): void {
    const { SOL_NETLINK, NETLINK_ADD_MEMBERSHIP } = NETLINK_OPTION;
    check(setOption(this.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group), `join netlink group ${group}`);
  }

  /**
   * What has been told since the last call; nothing: an empty list.
   * @throws SystemError ENOBUFS when more was told than the socket holds: some is lost, so look at everything again
   */
  receive(): Reply[] {
    const replies: Reply[] = [];
    for (;;) {
      const told = this.#receive("read netlink notifications");
      if (told === undefined) return replies;
      for (const reply of decodeMessages(told)) replies.push({ ...reply, body: reply.body.slice() });
    }
  }

  close(): void {
    closeFd(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The datagram, which the socket may send from now on, and its first message's sequence number. */
  #encode(messages: readonly Message[]): { first: number; bytes: Uint8Array } {
    const first = this.#sequence;
    // Never 0, which notifications have.
    this.#sequence = (first + messages.length) % 0x7fff_ffff || 1;
    const bytes = encodeMessages(messages, first);
    if (bytes.length > this.#sendBuffer) {
      const { SO_SNDBUFFORCE } = NETLINK_OPTION;
      const result = setOption(this.fd, SOCK.SOL_SOCKET, SO_SNDBUFFORCE, bytes.length * 2);
      check(result, messages[0]!.what);
      this.#sendBuffer = bytes.length;
    }
    return { first, bytes };
  }

  /** One datagram of the kernel's, valid until the next; undefined when none is there. */
  #receive(what: string): Uint8Array | undefined {
    for (;;) {
      fromLength[0] = from.length;
      const got = sys(
        "recvfrom",
        this.fd,
        datagram,
        DATAGRAM,
        MSG_TRUNC | SOCK.MSG_DONTWAIT,
        from,
        fromLength,
      );
      if (got === -ERRNO.EAGAIN) return undefined;
      if (got === -ERRNO.EINTR) continue;
      check(got, what);
      if (got > DATAGRAM) throw new SystemError(what, ERRNO.EMSGSIZE);
      // Only the kernel has the number 0: what another process sends is not listened to.
      if (fromView.getUint32(4, true) !== 0) continue;
      return datagram.subarray(0, got);
    }
  }
}
