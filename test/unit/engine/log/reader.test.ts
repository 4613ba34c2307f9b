import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type LogQuery, readLog } from "../../../../src/engine/log/reader.ts";
import { rfc3339Nano } from "../../../../src/engine/log/time.ts";
import { LogFile, logFileOptions } from "../../../../src/engine/log/writer.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsd-log-"));
  path = join(folder, "x-json.log");
});
afterEach(() => rmSync(folder, { recursive: true }));

const failed = (error: Error): never => {
  throw error;
};

const START = 1795244807_000000000n;
const line = (n: number, stream = "stdout", log = `line ${n}\n`): string =>
  `${JSON.stringify({ log, stream, time: rfc3339Nano(START + BigInt(n) * 1_000_000_000n) })}\n`;
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, n) => line(from + n)).join("");

async function read(query: Partial<LogQuery> = {}): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const bytes of readLog(path, { stdout: true, stderr: true, tail: -1, tty: true, ...query })) {
    all.push(bytes);
  }
  return Buffer.concat(all).toString();
}

const plain = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, n) => `line ${from + n}\n`).join("");

describe("reading a log", () => {
  test("gives all of it, and nothing for one that is not there", async () => {
    expect(await read()).toBe("");
    writeFileSync(path, lines(0, 5000));
    expect(await read()).toBe(plain(0, 5000));
  });

  test("frames each entry with its stream", async () => {
    writeFileSync(path, line(0) + line(1, "stderr", "é\n"));
    const all = Buffer.from(await read({ tty: false }), "utf8");
    expect([...all.subarray(0, 8)]).toEqual([1, 0, 0, 0, 0, 0, 0, 7]);
    expect([...all.subarray(15, 23)]).toEqual([2, 0, 0, 0, 0, 0, 0, 3]);
    expect(all.subarray(23).toString()).toBe("é\n");
  });

  test("selects the stream, the time, and adds timestamps and details", async () => {
    writeFileSync(path, lines(0, 10) + line(10, "stderr"));
    expect(await read({ stdout: false })).toBe("line 10\n");
    expect(await read({ stderr: false, since: START + 8_000_000_000n })).toBe(plain(8, 10));
    expect(await read({ until: START + 1_000_000_000n })).toBe(plain(0, 2));
    expect(await read({ tail: 1, timestamps: true, details: true })).toBe(
      "2026-11-21T07:06:57.000000000Z  line 10\n",
    );
  });

  test("gives the last lines, over blocks and over rotated files", async () => {
    writeFileSync(`${path}.2`, lines(0, 10));
    writeFileSync(`${path}.1`, lines(10, 20));
    writeFileSync(path, lines(20, 5000));
    for (const tail of [0, 1, 2, 1000, 4980, 4981, 4990, 4995, 5000, 9999]) {
      expect(await read({ tail })).toBe(plain(Math.max(0, 5000 - tail), 5000));
    }
  });

  test("copes with a torn last line and with rubbish", async () => {
    writeFileSync(path, `${line(0)}\0\0\0\n${line(1)}{"log":"half`);
    expect(await read()).toBe(plain(0, 2));
    expect(await read({ tail: 1 })).toBe("line 1\n");
  });

  test("follows what is written later, through a rotation, until the container has ended", async () => {
    const ended = Promise.withResolvers<void>();
    const log = new LogFile(path, { maxSize: 300, maxFiles: 3, compress: false }, failed);
    log.append(lines(0, 2));
    const seen: string[] = [];
    const reading = (async () => {
      const query = { stdout: true, stderr: true, tail: 1, tty: true, follow: { ended: ended.promise } };
      for await (const bytes of readLog(path, query)) seen.push(Buffer.from(bytes).toString());
    })();
    for (let n = 2; n < 30; n++) {
      log.rotateIfFull();
      log.append(line(n));
      while (!seen.join("").includes(`line ${n}\n`)) await Bun.sleep(1);
    }
    expect(existsSync(`${path}.2`)).toBe(true);
    expect(existsSync(`${path}.3`)).toBe(false);
    log.append(line(30));
    ended.resolve();
    await reading;
    expect(seen.join("")).toBe(plain(1, 31));
    log.close();
  });

  test("shows labels, variables and tags as details, each as in a query", async () => {
    const attrs = { tag: "a b", "com.example/ä": "x=y,z", B: "" };
    writeFileSync(
      path,
      `${JSON.stringify({ log: "line\n", stream: "stdout", attrs, time: rfc3339Nano(START) })}\n`,
    );
    expect(await read({ details: true })).toBe("B=,com.example%2F%C3%A4=x%3Dy%2Cz,tag=a+b line\n");
    expect(await read()).toBe("line\n");
  });

  test("gives the last lines of compressed files too", async () => {
    writeFileSync(`${path}.2.gz`, gzipSync(lines(0, 10)));
    writeFileSync(`${path}.1.gz`, gzipSync(lines(10, 20)));
    writeFileSync(path, lines(20, 30));
    for (const tail of [-1, 5, 15, 20, 25, 30, 99]) {
      expect(await read({ tail })).toBe(plain(tail < 0 ? 0 : Math.max(0, 30 - tail), 30));
    }
    expect(readdirSync(folder).sort()).toEqual(["x-json.log", "x-json.log.1.gz", "x-json.log.2.gz"]);
  });

  test("goes on at its place when what it has open is rotated away and compressed meanwhile", async () => {
    const ended = Promise.withResolvers<void>();
    const log = new LogFile(path, { maxSize: 300, maxFiles: 9, compress: true }, failed);
    log.append(lines(0, 4));
    const reading = readLog(path, {
      stdout: true,
      stderr: true,
      tail: -1,
      tty: true,
      follow: { ended: ended.promise },
    });
    const { value } = await reading.next();
    let seen = Buffer.from(value!).toString();
    for (let n = 4; n < 20; n++) {
      log.rotateIfFull();
      await log.settled();
      log.append(line(n));
    }
    expect(existsSync(`${path}.3.gz`)).toBe(true);
    expect(existsSync(`${path}.1`)).toBe(false);
    ended.resolve();
    for await (const bytes of reading) seen += Buffer.from(bytes).toString();
    expect(seen).toBe(plain(0, 20));
    log.close();
  });

  test("stops following when the client is gone, and when `until` has passed", async () => {
    writeFileSync(path, lines(0, 1));
    const gone = new AbortController();
    setTimeout(() => gone.abort(), 10);
    const follow = { ended: new Promise(() => {}) };
    expect(await read({ follow, signal: gone.signal })).toBe(plain(0, 1));
    const until = BigInt(Date.now() + 20) * 1_000_000n;
    writeFileSync(path, lines(0, 1).replace("2026", "2020"));
    expect(await read({ follow, until })).toBe(plain(0, 1));
  });
});

describe("writing a log", () => {
  test("cuts a last line that a crash has torn, and goes on behind it", () => {
    writeFileSync(path, `${lines(0, 3)}{"log":"ha`);
    const log = new LogFile(path, { maxSize: 0, maxFiles: 1, compress: false }, failed);
    log.append(line(3));
    log.close();
    expect(readFileSync(path, "utf8")).toBe(lines(0, 4));
    writeFileSync(path, "x".repeat(200_000));
    new LogFile(path, { maxSize: 0, maxFiles: 1, compress: false }, failed).close();
    expect(readFileSync(path, "utf8")).toBe("");
  });

  test("compresses what is rotated away, as gzip knows it, also what a killed predecessor left", async () => {
    writeFileSync(`${path}.1`, lines(0, 9));
    writeFileSync(`${path}.1.gz`, "torn");
    const log = new LogFile(path, { maxSize: 1, maxFiles: 3, compress: true }, failed);
    log.append(line(9));
    // Not before the last one is done.
    log.rotateIfFull();
    expect(readFileSync(path, "utf8")).toBe(line(9));
    await log.settled();
    log.rotateIfFull();
    await log.settled();
    log.append(line(10));
    log.close();
    expect(readdirSync(folder).sort()).toEqual(["x-json.log", "x-json.log.1.gz", "x-json.log.2.gz"]);
    const unpacked = Bun.spawnSync(["gzip", "-dc", `${path}.2.gz`, `${path}.1.gz`]);
    expect(unpacked.stdout.toString()).toBe(lines(0, 10));
    expect(await read()).toBe(plain(0, 11));
  });

  test("to a place that was written already changes nothing", () => {
    const log = new LogFile(path, { maxSize: 0, maxFiles: 1, compress: false }, failed);
    log.append(lines(0, 2));
    const at = log.size;
    log.append(lines(2, 4));
    log.append(lines(2, 4), at);
    expect(readFileSync(path, "utf8")).toBe(lines(0, 4));
    log.close();
  });

  test("understands Docker's options", () => {
    expect(logFileOptions({})).toEqual({ maxSize: 0, maxFiles: 1, compress: false });
    expect(logFileOptions({ "max-size": "10m", "max-file": "3" })).toEqual({
      maxSize: 10_000_000,
      maxFiles: 3,
      compress: false,
    });
    expect(logFileOptions({ "max-size": "500" })).toEqual({ maxSize: 500, maxFiles: 1, compress: false });
    expect(logFileOptions({ "max-size": "1.5 KiB" }).maxSize).toBe(1500);
    appendFileSync(path, "");
  });

  test.each([
    [{ "max-size": "x" }, "invalid size: 'x'"],
    [{ "max-size": "10x" }, "invalid suffix: 'x'"],
    [{ "max-size": "10bb" }, "invalid suffix: 'bb'"],
    [{ "max-size": "-1m" }, "invalid size: '-1m'"],
    [{ "max-size": "0" }, "max-size must be a positive number"],
    [{ "max-size": "a1" }, 'strconv.ParseFloat: parsing "a1": invalid syntax'],
    [{ "max-file": "x" }, 'strconv.Atoi: parsing "x": invalid syntax'],
    [{ "max-file": "0" }, "max-file cannot be less than 1"],
    [{ compress: "x" }, 'strconv.ParseBool: parsing "x": invalid syntax'],
    [
      { compress: "true", "max-size": "1m" },
      "compress cannot be true when max-file is less than 2 or max-size is not set",
    ],
  ])("refuses nonsense: %j", (options, message) => {
    expect(() => logFileOptions(options as Record<string, string>)).toThrow(message);
  });
});
