import { describe, expect, test } from "bun:test";
import { encodeChunk, MAX_ENTRY, NOTHING } from "../../../../src/engine/log/encode.ts";
import { nowNs, parseTime, rfc3339Nano, rfc3339NanoFixed } from "../../../../src/engine/log/time.ts";

const TIME = "2026-11-21T07:06:47.5Z";

function entries(chunks: (string | Buffer)[], finish = true): { logs: string[]; rest: string } {
  let carry: Buffer = NOTHING;
  let text = "";
  for (const chunk of chunks) {
    const encoded = encodeChunk(carry, Buffer.from(chunk as string), "stdout", TIME);
    text += encoded.text;
    carry = encoded.rest;
  }
  if (finish) text += encodeChunk(carry, NOTHING, "stdout", TIME, { last: true }).text;
  const lines = text.split("\n").slice(0, -1);
  return { logs: lines.map((line) => JSON.parse(line).log), rest: carry.toString() };
}

describe("lines of the json-file format", () => {
  test("have log, stream and time, in Docker's order, one a line", () => {
    const { text } = encodeChunk(NOTHING, Buffer.from("one\ntwo\n"), "stderr", TIME);
    expect(text).toBe(
      `{"log":"one\\n","stream":"stderr","time":"${TIME}"}\n{"log":"two\\n","stream":"stderr","time":"${TIME}"}\n`,
    );
  });

  test("hold back a line without its end, and log it without a newline at the end of the stream", () => {
    expect(entries(["a", "b\nc"], false)).toEqual({ logs: ["ab\n"], rest: "c" });
    expect(entries(["a", "b\nc"]).logs).toEqual(["ab\n", "c"]);
  });

  test("survive quotes, backslashes, control characters and empty lines", () => {
    const hard = 'say "hi"\n\n\\n is no newline\\\n\u0000\u001b[1m\t\r\n<&>\u2028 é 漢 😀\n';
    expect(entries([hard]).logs.join("")).toBe(hard);
    const noBackslash = 'say "hi"\n\n\u0000\u001b[1m\t\r\n<&>\u2028 é 漢 😀\n';
    expect(entries([noBackslash]).logs).toEqual(noBackslash.split(/(?<=\n)/));
  });

  test("may be cut anywhere by the reads, even in a character", () => {
    const text = Buffer.from('é漢😀 "x"\nsecond \\ line\nthird');
    for (let at = 0; at <= text.length; at++) {
      expect(entries([text.subarray(0, at), text.subarray(at)]).logs).toEqual([
        'é漢😀 "x"\n',
        "second \\ line\n",
        "third",
      ]);
    }
  });

  test("replace what is not UTF-8, as Docker does", () => {
    expect(entries([Buffer.from([0x61, 0xff, 0x62, 10])]).logs).toEqual(["a\ufffdb\n"]);
  });

  test("of more than 16 KiB are several entries, of which only the last ends in a newline", () => {
    const long = "x".repeat(2 * MAX_ENTRY + 5);
    const { logs } = entries([`short\n${long}\nshort\n`]);
    expect(logs.map((log) => log.length)).toEqual([6, MAX_ENTRY, MAX_ENTRY, 6, 6]);
    expect(logs.join("")).toBe(`short\n${long}\nshort\n`);
    expect(entries(["y".repeat(MAX_ENTRY), "\n"]).logs).toEqual([`${"y".repeat(MAX_ENTRY)}\n`]);
  });

  test("are never cut within a character", () => {
    const long = `a${"漢".repeat(MAX_ENTRY)}\n`;
    const { logs } = entries([Buffer.from(long).subarray(0, 30_000), Buffer.from(long).subarray(30_000)]);
    expect(logs.join("")).toBe(long);
    for (const log of logs) expect(Buffer.byteLength(log)).toBeLessThanOrEqual(MAX_ENTRY + 1);
  });

  test("come out the same however the stream was read", () => {
    const lines = Array.from({ length: 3000 }, (_, n) => `line ${n} ${"z".repeat(n % 90)}\n`);
    const bytes = Buffer.from(lines.join(""));
    for (const size of [1000, 4096, 65536]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
      expect(entries(chunks).logs).toEqual(lines);
    }
  });
});

describe("times", () => {
  test("are written as Go writes them", () => {
    const ns = 1795244807_120000000n;
    expect(rfc3339Nano(ns)).toBe("2026-11-21T07:06:47.12Z");
    expect(rfc3339NanoFixed(ns)).toBe("2026-11-21T07:06:47.120000000Z");
    expect(rfc3339Nano(1795244807_000000000n)).toBe("2026-11-21T07:06:47Z");
  });

  test("are read back, with an offset too", () => {
    expect(parseTime("2026-11-21T07:06:47.12Z")).toBe(1795244807_120000000n);
    expect(parseTime("2026-11-21T08:06:47.000000001+01:00")).toBe(1795244807_000000001n);
    expect(parseTime("yesterday")).toBeUndefined();
  });

  test("of now never go back and are close to the wall clock", () => {
    let last = 0n;
    for (let n = 0; n < 1000; n++) {
      const now = nowNs();
      expect(now >= last).toBe(true);
      last = now;
    }
    expect(Math.abs(Number(last / 1_000_000n) - Date.now())).toBeLessThan(10);
  });
});
