/** Limits as flags write them: cpus, ulimits, rates of block devices. */
import { goQuote } from "../../../engine/template/quote.ts";
import { parseByteSize } from "../units.ts";

/** `1.5` → nanocpus. */
export function parseCpus(word: string): number {
  const fraction = /^([+-]?\d+)\/(\d+)$/.exec(word);
  if (!fraction && !/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(word))
    throw new Error(`failed to parse ${word} as a rational number`);
  const value = (fraction ? Number(fraction[1]) / Number(fraction[2]) : Number(word)) * 1e9;
  const whole = Math.round(value);
  if (Math.abs(value - whole) > 1e-3) throw new Error("value is too precise");
  return whole;
}

export interface Ulimit {
  readonly Name: string;
  readonly Hard: number;
  readonly Soft: number;
}

const ULIMITS = [
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
];

export function parseUlimit(word: string): Ulimit {
  const at = word.indexOf("=");
  if (at < 0) throw new Error(`invalid ulimit argument: ${word}`);
  const Name = word.slice(0, at);
  const limits = word.slice(at + 1);
  if (!ULIMITS.includes(Name)) throw new Error(`invalid ulimit type: ${Name}`);
  const parts = limits.split(":");
  if (parts.length > 2)
    throw new Error(`too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``);
  const [Soft, Hard = Soft] = parts.map((part) => {
    if (!/^[+-]?\d+$/.test(part))
      throw new Error(`strconv.ParseInt: parsing ${goQuote(part)}: invalid syntax`);
    return Number(part);
  }) as [number, number?];
  if (Hard !== -1) {
    if (Soft === -1)
      throw new Error(
        `ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ${Hard}`,
      );
    if (Soft > Hard)
      throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
  }
  return { Name, Hard, Soft };
}

export function parseBlkioWeight(word: string): { Path: string; Weight: number } {
  const at = word.indexOf(":");
  if (at <= 0) throw new Error(`bad format: ${word}`);
  const Path = word.slice(0, at);
  if (!Path.startsWith("/dev/")) throw new Error(`bad format for device path: ${word}`);
  const Weight = Number(word.slice(at + 1));
  if (!Number.isInteger(Weight) || (Weight > 0 && (Weight < 10 || Weight > 1000)))
    throw new Error(`invalid weight for device: ${word}`);
  return { Path, Weight };
}

export const parseDeviceRate =
  (inBytes: boolean) =>
  (word: string): { Path: string; Rate: number } => {
    const at = word.indexOf(":");
    if (at <= 0) throw new Error(`bad format: ${word}`);
    const Path = word.slice(0, at);
    const rate = word.slice(at + 1);
    if (!Path.startsWith("/dev/")) throw new Error(`bad format for device path: ${word}`);
    const unit = inBytes
      ? "Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
      : "Number must be a positive integer";
    const bad = `invalid rate for device: ${word}. The correct format is <device-path>:<number>${inBytes ? "[<unit>]" : ""}. ${unit}`;
    if (!inBytes) {
      if (!/^\d+$/.test(rate)) throw new Error(bad);
      return { Path, Rate: Number(rate) };
    }
    try {
      return { Path, Rate: parseByteSize(rate) };
    } catch {
      throw new Error(bad);
    }
  };
