/**
 * A terminal that passes every byte through, both ways. Node's own raw mode keeps translating what is printed, which
 * a container's terminal has already done.
 * @source termios(3), cfmakeraw; ioctl_tty(2)
 */
import { check, sys } from "./libc.ts";

const TCGETS = 0x5401;
const TCSETS = 0x5402;

/** The kernel's struct termios: four flag words, the line discipline, nineteen control characters. */
const SIZE = 36;
const CC = 17;
const VTIME = 5;
const VMIN = 6;

const IGNBRK_BRKINT_PARMRK_ISTRIP_INLCR_IGNCR_ICRNL_IXON = 0o2753;
const OPOST = 0o1;
const CSIZE_PARENB = 0o460;
const CS8 = 0o60;
const ISIG_ICANON_ECHO_ECHONL_IEXTEN = 0o100113;

/** Makes it raw; gives what puts it back as it was. */
export function makeRaw(fd: number): () => void {
  const before = new Uint8Array(SIZE);
  check(sys("ioctl", fd, TCGETS, before), "read the terminal's settings");
  const raw = before.slice();
  const flags = new Uint32Array(raw.buffer, 0, 4);
  const clear = (word: number, bits: number): void => {
    flags[word] = (flags[word] as number) & ~bits;
  };
  clear(0, IGNBRK_BRKINT_PARMRK_ISTRIP_INLCR_IGNCR_ICRNL_IXON);
  clear(1, OPOST);
  clear(2, CSIZE_PARENB);
  flags[2] = (flags[2] as number) | CS8;
  clear(3, ISIG_ICANON_ECHO_ECHONL_IEXTEN);
  raw[CC + VMIN] = 1;
  raw[CC + VTIME] = 0;
  check(sys("ioctl", fd, TCSETS, raw), "make the terminal raw");
  return () => {
    sys("ioctl", fd, TCSETS, before);
  };
}
