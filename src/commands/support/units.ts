/** Sizes and durations as Docker's clients print and read them. */

const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/** C's %.Ng: significant digits, no trailing zeros. */
export function significant(value: number, digits: number): string {
  if (value === 0) return "0";
  const exponent = Number(value.toExponential(digits - 1).split("e")[1]);
  if (exponent < -4 || exponent >= digits) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e") as [string, string];
    const trimmed = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
    return `${trimmed}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  }
  const text = value.toPrecision(digits);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function scale(size: number, base: number, names: readonly string[], digits: number): string {
  let at = 0;
  let value = size;
  while (value >= base && at < names.length - 1) {
    value /= base;
    at += 1;
  }
  return `${significant(value, digits)}${names[at]}`;
}

/** `1.23MB`: decimal units; four digits unless told. */
export const humanSize = (size: number, digits = 4): string => scale(size, 1000, DECIMAL, digits);
/** `1.5GiB`. */
export const bytesSize = (size: number): string => scale(size, 1024, BINARY, 4);

/** `About an hour`, `3 weeks`: from milliseconds. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(milliseconds / 60_000);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(milliseconds / 3_600_000);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(milliseconds / 3_600_000 / 24 / 365)} years`;
}

/** A size with a binary suffix (`64m`, `1.5g`, `10KiB`), in bytes. */
export function parseByteSize(word: string): number {
  const [, number, suffix] = /^(.*[\d. ])([^\d. ]*)$/s.exec(word) ?? [];
  if (number === undefined || suffix === undefined) throw new Error(`invalid size: '${word}'`);
  const digits = number.replace(/ $/, "");
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(digits)) {
    throw new Error(`strconv.ParseFloat: parsing ${JSON.stringify(digits)}: invalid syntax`);
  }
  if (Number(digits) < 0) throw new Error(`invalid size: '${word}'`);
  const [, unit] = /^(?:b|([kmgtp])(?:i?b)?)?$/i.exec(suffix) ?? [undefined, null];
  if (unit === null) {
    throw new Error(`invalid suffix: '${suffix.length > 3 ? suffix : suffix.toLowerCase()}'`);
  }
  const power = unit === undefined ? 0 : "kmgtp".indexOf(unit.toLowerCase()) + 1;
  return Math.trunc(Number(digits) * 1024 ** power);
}

/** Cuts to so many columns with an ellipsis. */
export function ellipsis(text: string, width: number): string {
  const runes = [...text];
  return runes.length <= width
    ? text
    : width <= 1
      ? runes.slice(0, width).join("")
      : `${runes.slice(0, width - 1).join("")}…`;
}

/** The short form of an id, without its algorithm. */
export function shortId(id: string): string {
  const colon = id.indexOf(":");
  return (colon >= 0 && /^[a-z0-9+._-]+$/.test(id.slice(0, colon)) ? id.slice(colon + 1) : id).slice(0, 12);
}
