import { describe, expect, test } from "bun:test";
import { encodePlan, NESTED_PROCESS } from "../../../../src/engine/runtime/encode.ts";
import { explainPlan } from "../../../../src/engine/runtime/explain.ts";
import {
  DATA_AT,
  flags,
  PART_ROOM,
  PLAN_BASE,
  type Plan,
  PlanBuilder,
} from "../../../../src/engine/runtime/plan.ts";
import { ERRNO } from "../../../../src/ffi/errno.ts";
import { AT, O } from "../../../../src/ffi/file.ts";
import { CLONE } from "../../../../src/ffi/process.ts";

/** Opens a folder, makes a child that enters it and executes something, and waits for that. */
function example(): Plan {
  const b = new PlanBuilder();
  const folder = b.fd();
  b.call("openat", [AT.AT_FDCWD, b.string("/bundle"), flags(O, "O_PATH", "O_CLOEXEC")], {
    fd: folder,
    label: 'open the bundle "/bundle"',
  });
  const pid = b.slot("pid");
  const text = b.space(24, "pid text");
  const child = b.label("child");
  b.add({
    op: "clone",
    flags: flags(CLONE, "CLONE_VFORK"),
    child,
    process: 1,
    slot: pid,
    label: "make the child",
  });
  b.put(pid, text, "decimal", "note the pid");
  b.add({ op: "wait", pid, label: "wait" });
  b.place(child);
  b.call("fchdir", [folder]);
  const found = b.slot("found");
  b.call("execve", [b.string("/bin/x"), b.strings(["x", "y"]), b.strings([])], {
    slot: found,
    tolerate: [ERRNO.ENOENT, ERRNO.EACCES],
  });
  b.add({ op: "fail", errno: ERRNO.ENOENT, label: "find x" });
  return b.build();
}

/** Step `n` of an encoded plan. */
function stepOf(bytes: Uint8Array, n: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const at = view.getUint32(16, true) + n * 72;
  return {
    op: view.getUint8(at),
    slotArgs: view.getUint16(at + 2, true),
    nr: view.getUint32(at + 4, true),
    fd: view.getInt32(at + 8, true),
    slot: view.getInt32(at + 12, true),
    tolerated: [0, 1, 2, 3].map((i) => view.getUint16(at + 16 + i * 2, true)),
    args: [0, 1, 2, 3, 4, 5].map((i) => view.getBigInt64(at + 24 + i * 8, true)),
  };
}

describe("explain", () => {
  test("prints every step in order, with names for numbers", () => {
    expect(
      explainPlan(example()),
    ).toBe(`  0  openat(AT_FDCWD, "/bundle", O_PATH|O_CLOEXEC) → fd 32  # open the bundle "/bundle"
  1  clone3(CLONE_VFORK) goes on at child (4) → pid  # make the child
  2  put pid into pid text as decimal  # note the pid
  3  wait for pid and end with its status
child: (process 1)
  4  fchdir(32)
  5  execve("/bin/x", ["x", "y"], []) → found or ENOENT, EACCES
  6  fail with ENOENT  # find x
`);
  });
});

describe("encode", () => {
  test("says its magic, version, size and steps in the header", () => {
    const bytes = encodePlan(example(), { arch: "x86_64" });
    const view = new DataView(bytes.buffer);
    expect(new TextDecoder().decode(bytes.subarray(0, 4))).toBe("TSPL");
    expect(view.getUint32(4, true)).toBe(1);
    expect(view.getBigUint64(8, true)).toBe(BigInt(bytes.length));
    expect(view.getUint32(20, true)).toBe(7);
  });

  test("numbers system calls by architecture", () => {
    expect(stepOf(encodePlan(example(), { arch: "x86_64" }), 0).nr).toBe(257);
    expect(stepOf(encodePlan(example(), { arch: "aarch64" }), 0).nr).toBe(56);
    const b = new PlanBuilder();
    b.call("open", [0]);
    expect(() => encodePlan(b.build(), { arch: "aarch64" })).toThrow("aarch64 has no system call open");
  });

  test("passes data by the address it will have, slots by their index, and keeps errnos that are tolerated", () => {
    const bytes = encodePlan(example(), { arch: "x86_64" });
    const open = stepOf(bytes, 0);
    expect(open).toMatchObject({ op: 1, fd: 32, slot: -1, slotArgs: 0 });
    expect(open.args.slice(0, 3)).toEqual([-100n, BigInt(PLAN_BASE + DATA_AT), 0x280000n]);
    expect(stepOf(bytes, 3)).toMatchObject({ op: 10, slotArgs: 1 });
    expect(stepOf(bytes, 5)).toMatchObject({ slot: 1, tolerated: [2, 13, 0, 0] });
    expect(stepOf(bytes, 1).args[2]).toBe(4n);
  });

  test("is the same every time", () => {
    expect(encodePlan(example(), { arch: "x86_64" })).toEqual(encodePlan(example(), { arch: "x86_64" }));
  });

  test("counts the processes of a nested plan from 8", () => {
    const bytes = encodePlan(example(), { arch: "x86_64", nested: true });
    expect(new DataView(bytes.buffer).getUint32(24, true)).toBe(NESTED_PROCESS);
    expect(stepOf(bytes, 1).args[3]).toBe(9n);
  });
});

describe("PlanBuilder", () => {
  test("writes argv as addresses that end with NULL, and shares equal strings", () => {
    const b = new PlanBuilder();
    const word = b.string("a");
    const argv = b.strings(["a", "b", "a"]);
    const { data } = b.build();
    const view = new DataView(data.buffer, data.byteOffset + argv.offset - DATA_AT);
    const pointers = [0, 1, 2, 3].map((n) => Number(view.getBigUint64(n * 8, true)));
    expect(pointers[0]).toBe(word.value);
    expect(pointers[2]).toBe(word.value);
    expect(pointers[3]).toBe(0);
    expect(data[pointers[1]! - PLAN_BASE - DATA_AT]).toBe(0x62);
  });

  test("grows its data area without moving what it gave out", () => {
    const b = new PlanBuilder();
    const first = b.string("first");
    b.bytes(new Uint8Array(100_000).fill(1));
    const last = b.string("last");
    const { data } = b.build();
    const text = (at: number, length: number) =>
      new TextDecoder().decode(data.subarray(at - DATA_AT, at - DATA_AT + length));
    expect(text(first.offset, 5)).toBe("first");
    expect(text(last.offset, 4)).toBe("last");
  });

  test("refuses a NUL inside a string, a label that is placed twice or never", () => {
    const b = new PlanBuilder();
    expect(() => b.string("a\0b")).toThrow("NUL");
    const label = b.label("here");
    expect(() => b.build()).toThrow("here is never placed");
    b.place(label);
    expect(() => b.place(label)).toThrow("placed twice");
  });

  test("lays a part that follows another at an address of its own, and numbers its steps on", () => {
    const b = new PlanBuilder();
    const shared = b.string("shared");
    b.call("chdir", [shared]);
    const first = encodePlan(b.cut("hear of the rest"), { arch: "x86_64" });
    const own = b.string("own");
    const end = b.label("end");
    b.jump(end);
    b.call("chdir", [own]);
    b.call("chdir", [b.string("shared")]);
    b.place(end);
    const part = b.build();
    const second = encodePlan(part, { arch: "x86_64" });
    expect(stepOf(first, 1).op).toBe(16);
    const header = new Uint32Array(second.buffer, 0, 4);
    expect([header[0], header[1]]).toEqual([2, 3]);
    const step = (n: number) =>
      new BigInt64Array(second.slice(header[2]! + n * 72, header[2]! + n * 72 + 72).buffer);
    expect(step(0)[6]).toBe(5n);
    const at = Number(step(1)[3]) - PLAN_BASE - PART_ROOM;
    expect(new TextDecoder().decode(second.subarray(at, at + 4))).toBe("own\0");
    expect(step(2)[3]).toBe(BigInt(shared.value));
  });

  test("refuses a jump from one part of a plan into another", () => {
    const b = new PlanBuilder();
    const later = b.label("later");
    const earlier = b.label("earlier");
    b.place(earlier);
    b.jump(later);
    const first = b.cut("hear of the rest");
    b.place(later);
    b.jump(earlier);
    expect(() => encodePlan(first)).toThrow("label later is in another part");
    expect(() => encodePlan(b.build())).toThrow("label earlier is in another part");
  });

  test("refuses more tolerated errnos than a step holds", () => {
    const b = new PlanBuilder();
    b.call("close", [1], { tolerate: [1, 2, 3, 4, 5] });
    expect(() => encodePlan(b.build())).toThrow("more than four");
  });
});
