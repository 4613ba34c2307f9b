/**
 * What ts-proxy is told and tells: `struct told` in src/ffi/stage/plan.h, 64 bytes each, on a SOCK_SEQPACKET socket; a
 * port's socket travels beside it.
 */
import { fromSocketAddress, socketAddress } from "../../../ffi/inet.ts";
import type { HeldPort } from "../types.ts";

export const TOLD_SIZE = 64;

export const OP = {
  /** Forward this from now on, with its socket. */
  add: 1,
  /** No more; its connections end. */
  remove: 2,
  /** Which is the one of this index? Answered by `known` with its socket, or `last`. */
  list: 3,
  end: 4,
  known: 5,
  last: 6,
} as const;

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;
const FROM_AT = 8;
const TO_AT = 36;

export interface Told {
  op: number;
  /** An index; in a plan, the socket. */
  value?: number;
  port?: HeldPort;
}

export function encodeTold({ op, value = 0, port }: Told): Uint8Array {
  const bytes = new Uint8Array(TOLD_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, op, true);
  view.setInt32(4, value, true);
  if (port === undefined) return bytes;
  view.setUint16(2, PROTOCOLS[port.protocol], true);
  bytes.set(socketAddress(port.hostIp, port.hostPort), FROM_AT);
  if (port.to !== undefined) bytes.set(socketAddress(port.to.ip, port.to.port), TO_AT);
  return bytes;
}

/** Undefined for what is no such message. */
export function decodeTold(bytes: Uint8Array): (Told & { value: number }) | undefined {
  if (bytes.length !== TOLD_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const told = { op: view.getUint16(0, true), value: view.getInt32(4, true) };
  const number = view.getUint16(2, true);
  const [protocol] = Object.entries(PROTOCOLS).find(([, each]) => each === number) ?? [];
  if (protocol === undefined) return told;
  const { ip: hostIp, port: hostPort } = fromSocketAddress(bytes.subarray(FROM_AT, TO_AT));
  const to = fromSocketAddress(bytes.subarray(TO_AT));
  return { ...told, port: { protocol: protocol as HeldPort["protocol"], hostIp, hostPort, to } };
}
