/**
 * Device rules as an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE: it gets the access that is tried and says
 * 1 (allowed) or 0. The last rule that matches decides, so rules are compiled from the last to the first.
 * @source linux/bpf.h, struct bpf_cgroup_dev_ctx { access_type, major, minor }
 */
import type { DeviceRule } from "./spec.ts";

export interface Instruction {
  code: number;
  dst: number;
  src: number;
  offset: number;
  imm: number;
}

const LOAD_W = 0x61;
const MOV_K = 0xb7;
const MOV_X = 0xbf;
const AND_K = 0x57;
const RSH_K = 0x77;
const JNE_K = 0x55;
const JNE_X = 0x5d;
const JEQ_X = 0x1d;
const EXIT = 0x95;
/** Registers: the context comes in 1. */
const R0 = 0;
const CONTEXT = 1;
const TYPE = 2;
const ACCESS = 3;
const MAJOR = 4;
const MINOR = 5;

const ACCESS_BITS: Record<string, number> = { m: 1, r: 2, w: 4 };
const ALL = 7;
const TYPE_NUMBERS: Record<string, number> = { b: 1, c: 2 };

const ins = (code: number, dst: number, src = 0, offset = 0, imm = 0): Instruction => ({
  code,
  dst,
  src,
  offset,
  imm,
});

function accessMask(access = "rwm"): number {
  let mask = 0;
  for (const letter of access) mask |= ACCESS_BITS[letter] ?? 0;
  return mask;
}

/** A block that ends with `allow` when everything matches, and else falls through to the next one. */
function ruleBlock(rule: DeviceRule): Instruction[] {
  const type = TYPE_NUMBERS[rule.type ?? "a"];
  const mask = accessMask(rule.access || "rwm");
  const tests: Instruction[] = [];
  if (type !== undefined) tests.push(ins(JNE_K, TYPE, 0, 0, type));
  if (mask !== ALL) tests.push(...accessTest(mask, rule.allow));
  if (rule.major !== undefined && rule.major >= 0) tests.push(ins(JNE_K, MAJOR, 0, 0, rule.major));
  if (rule.minor !== undefined && rule.minor >= 0) tests.push(ins(JNE_K, MINOR, 0, 0, rule.minor));
  const block = [...tests, ins(MOV_K, R0, 0, 0, rule.allow ? 1 : 0), ins(EXIT, 0)];
  // Every test that fails goes to the end of the block.
  const jumps = [JNE_K, JNE_X, JEQ_X];
  return block.map((step, i) =>
    jumps.includes(step.code) ? { ...step, offset: block.length - i - 1 } : step,
  );
}

/** An allowing rule must cover all that is tried; a denying one is hit by any part of it. */
function accessTest(mask: number, allow: boolean): Instruction[] {
  if (allow)
    return [ins(MOV_X, CONTEXT, ACCESS), ins(AND_K, CONTEXT, 0, 0, mask), ins(JNE_X, CONTEXT, ACCESS)];
  // (access & ~mask) == access would mean that none of it is denied.
  return [
    ins(MOV_X, CONTEXT, ACCESS),
    ins(AND_K, CONTEXT, 0, 0, mask),
    ins(MOV_K, R0, 0, 0, 0),
    ins(JEQ_X, CONTEXT, R0),
  ];
}

/** Without a rule that matches: denied. */
export function compileDeviceProgram(rules: readonly DeviceRule[]): Instruction[] {
  const program = [
    ins(LOAD_W, TYPE, CONTEXT, 0),
    ins(AND_K, TYPE, 0, 0, 0xffff),
    ins(LOAD_W, ACCESS, CONTEXT, 0),
    ins(RSH_K, ACCESS, 0, 0, 16),
    ins(LOAD_W, MAJOR, CONTEXT, 4),
    ins(LOAD_W, MINOR, CONTEXT, 8),
  ];
  for (const rule of rules.toReversed()) {
    const block = ruleBlock(rule);
    program.push(...block);
    // What comes after a rule for everything cannot be reached, and the kernel refuses such code.
    if (block.length === 2) return program;
  }
  program.push(ins(MOV_K, R0, 0, 0, 0), ins(EXIT, 0));
  return program;
}

export function bpfInstructions(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, dst, src, offset, imm }, i) => {
    view.setUint8(i * 8, code);
    view.setUint8(i * 8 + 1, dst | (src << 4));
    view.setInt16(i * 8 + 2, offset, true);
    view.setInt32(i * 8 + 4, imm, true);
  });
  return bytes;
}
