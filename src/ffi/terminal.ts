/**
 * A terminal that passes every byte through, both ways, or one that does not show what is typed. Node's own raw mode
 * keeps translating what is printed, which a container's terminal has already done.
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
const ECHO = 0o10;

type Clear = (word: 0 | 1 | 2 | 3, bits: number) => void;

/** Changes the settings; gives what puts them back as they were. */
function change(fd: number, what: string, apply: (settings: Uint8Array, clear: Clear) => void): () => void {
  const before = new Uint8Array(SIZE);
  check(sys("ioctl", fd, TCGETS, before), "read the terminal's settings");
  const after = before.slice();
  const flags = new Uint32Array(after.buffer, 0, 4);
  apply(after, (word, bits) => {
    flags[word] = (flags[word] as number) & ~bits;
  });
  check(sys("ioctl", fd, TCSETS, after), what);
  return () => {
    sys("ioctl", fd, TCSETS, before);
  };
}

/** Makes it raw; gives what puts it back as it was. `lines`: the end of a line is still its to make of a line feed. */
export const makeRaw = (fd: number, { lines = false } = {}): (() => void) =>
  change(fd, "make the terminal raw", (settings, clear) => {
    clear(0, IGNBRK_BRKINT_PARMRK_ISTRIP_INLCR_IGNCR_ICRNL_IXON);
    if (!lines) clear(1, OPOST);
    clear(2, CSIZE_PARENB);
    const flags = new Uint32Array(settings.buffer, 0, 4);
    flags[2] = (flags[2] as number) | CS8;
    clear(3, ISIG_ICANON_ECHO_ECHONL_IEXTEN);
    settings[CC + VMIN] = 1;
    settings[CC + VTIME] = 0;
  });

/** Shows nothing of what is typed; gives what puts it back. Lines and signals stay the terminal's. */
export const disableEcho = (fd: number): (() => void) =>
  change(fd, "stop the terminal's echo", (_, clear) => clear(3, ECHO));
