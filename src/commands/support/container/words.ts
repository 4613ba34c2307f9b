/** Checks of single words that flags take: each gives the word back or says what is wrong with it. */

import { goQuote } from "../../../engine/template/quote.ts";
import { isIP } from "../builtin.ts";

export function checkStream(word: string): string {
  const stream = word.toLowerCase();
  if (stream === "stdin" || stream === "stdout" || stream === "stderr") return stream;
  throw new Error("valid streams are STDIN, STDOUT and STDERR");
}

/** A variable without a value takes the one of the environment, or is left out. */
export function checkEnvironment(word: string): string {
  const at = word.indexOf("=");
  if (at === 0 || word === "") throw new Error(`invalid environment variable: ${word}`);
  if (at > 0) return word;
  const value = process.env[word];
  return value === undefined ? word : `${word}=${value}`;
}

export function checkLabel(word: string): string {
  if (word.split("=")[0] === "") throw new Error(`invalid label '${word}': empty name`);
  return word;
}

export function checkIp(word: string): string {
  if (isIP(word.trim()) === 0) throw new Error(`IP address is not correctly formatted: ${word}`);
  return word.trim();
}

const DOMAIN_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";

/** Gives it without the dot at its end; `.` means that there is to be none. */
export function checkDomain(word: string): string {
  const text = word.trim();
  if (text === ".") return text;
  const domain = new RegExp(`^(${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*)\\.?$`).exec(text)?.[1];
  if (domain === undefined || domain.length >= 255 || !/[a-zA-Z]/.test(domain))
    throw new Error(`${text} is not a valid domain`);
  return domain;
}

export function checkExtraHost(word: string): string {
  const at = word.search(/[:=]/);
  if (at <= 0) throw new Error(`bad format for add-host: ${goQuote(word)}`);
  const name = word.slice(0, at);
  const address = word.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
  if (address === "host-gateway") return `${name}:${address}`;
  if (isIP(address) === 0) throw new Error(`invalid IP address in add-host: ${goQuote(address)}`);
  return `${name}:${address}`;
}

export function checkLink(word: string): string {
  if (word === "") throw new Error("empty string specified for links");
  if (word.split(":").length > 2) throw new Error(`bad format for links: ${word}`);
  return word;
}

const SYSCTLS = [
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
];

export function checkSysctl(word: string): string {
  const at = word.indexOf("=");
  const name = at < 0 ? word : word.slice(0, at);
  if (at >= 0 && (SYSCTLS.includes(name) || name.startsWith("net.") || name.startsWith("fs.mqueue.")))
    return word;
  throw new Error(`sysctl '${word}' is not allowed`);
}

export function checkDeviceRule(word: string): string {
  if (/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(word)) return word;
  throw new Error(`invalid device cgroup format '${word}'`);
}
