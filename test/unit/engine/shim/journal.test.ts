import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Backlog, MEMORY_LIMIT } from "../../../../src/engine/shim/backlog.ts";
import { Carry, DATA_AT, Journal } from "../../../../src/engine/shim/journal.ts";
import { LineReader } from "../../../../src/engine/shim/protocol.ts";
import { pipe } from "../../../../src/ffi/libc.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsd-shim-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const ID = "0123456789abcdef".repeat(4);

describe("the journal", () => {
  test("hands a read that was not logged to the successor", () => {
    const path = join(folder, "journal");
    const { read, write } = pipe(0o4000);
    writeSync(write, "some output\n");
    const journal = new Journal(path);
    const to = { id: ID, stream: "stderr", logSize: 4711, time: 5n } as const;
    expect(journal.unfinished()).toBeUndefined();
    expect(journal.read(read, to)).toBe(12);
    expect(journal.buffer.toString("utf8", DATA_AT, DATA_AT + 12)).toBe("some output\n");
    // The process is killed here: another maps the same file.
    const { data, ...rest } = new Journal(path).unfinished()!;
    expect(data.toString()).toBe("some output\n");
    expect(rest).toEqual({ id: ID, stream: "stderr", logSize: 4711, time: 5n, sequence: 1 });
    journal.done();
    expect(new Journal(path).unfinished()).toBeUndefined();
    expect(journal.read(read, to)).toBe(-11);
    closeSync(write);
    expect(journal.read(read, to)).toBe(0);
    expect(journal.unfinished()).toBeUndefined();
    closeSync(read);
  });

  test("keeps the beginning of a line, and says which read left it", () => {
    const path = join(folder, "carry");
    const carry = new Carry(path);
    carry.keep(Buffer.from("half a li"), 7);
    carry.keep(Buffer.from("half a line, and"), 8);
    const successor = new Carry(path);
    successor.restore();
    expect(successor.bytes.toString()).toBe("half a line, and");
    expect(successor.sequence).toBe(8);
    successor.keep(Buffer.alloc(0), 9);
    const next = new Carry(path);
    next.restore();
    expect(next.bytes.length).toBe(0);
    for (const each of [carry, successor, next]) each.close();
  });
});

describe("the backlog of a slow client", () => {
  test("gives back what it got, in order, through memory and file", () => {
    const backlog = new Backlog(folder);
    const sent: number[] = [];
    let pushed = 0;
    const push = () => {
      const block = new Uint32Array(16 * 1024).fill(pushed++);
      backlog.push(new Uint8Array(block.buffer));
    };
    const pop = (count: number) => {
      while (count > 0) {
        const next = backlog.peek()!;
        const taken = Math.min(count, next.length);
        for (let at = 0; at < taken; at += 4) sent.push(next.readUInt32LE(at));
        backlog.take(taken);
        count -= taken;
      }
    };
    for (let n = 0; n < (3 * MEMORY_LIMIT) / 65536; n++) push();
    pop(MEMORY_LIMIT + 131072);
    for (let n = 0; n < 20; n++) push();
    pop(pushed * 65536 - sent.length * 4);
    expect(backlog.empty).toBe(true);
    expect(sent.length).toBe(pushed * 16384);
    expect(sent.every((value, at) => value === Math.floor(at / 16384))).toBe(true);
    expect(backlog.full).toBe(false);
  });
});

describe("the protocol's lines", () => {
  test("are put together from whatever pieces come", () => {
    const reader = new LineReader();
    const text = Buffer.from('{"a":"é"}\n{"b":2}\n{"c"');
    const lines: string[] = [];
    for (const byte of text) lines.push(...reader.push(Buffer.from([byte])));
    lines.push(...reader.push(Buffer.from(":3}\n\n")));
    expect(lines).toEqual(['{"a":"é"}', '{"b":2}', '{"c":3}', ""]);
  });

  test("of an attach are followed by the raw stream", () => {
    const reader = new LineReader();
    expect(reader.first(Buffer.from('{"att'))).toBeUndefined();
    const { line, rest } = reader.first(Buffer.from('ach":1}\nraw\nbytes'))!;
    expect(line).toBe('{"attach":1}');
    expect(rest.toString()).toBe("raw\nbytes");
  });
});
