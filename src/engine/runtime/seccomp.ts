/**
 * A seccomp profile as a classic BPF program. Per architecture the numbers are grouped into ranges with the same
 * outcome, and a binary search finds the range: about seven comparisons, where a list would take hundreds. Calls
 * that are always allowed are decided by the number alone, which the kernel caches (5.11).
 * @source seccomp(2); config-linux.md "Seccomp"; linux/bpf_common.h
 */
import { ERRNO } from "../../ffi/errno.ts";
import { AUDIT_ARCH, eachSyscall, type SeccompArch, X32_BIT } from "../../ffi/seccomp-arch.ts";
import { ARCH } from "../../ffi/syscalls.ts";
import { EngineError } from "../errors.ts";
import type { Seccomp, SeccompAction, SeccompArg, SeccompRule } from "./spec.ts";

/** struct sock_filter. */
export interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

const LD_ABS = 0x20;
const JA = 0x05;
const JEQ = 0x15;
const JGT = 0x25;
const JGE = 0x35;
const AND = 0x54;
const RET = 0x06;

/** struct seccomp_data */
const NR_AT = 0;
const ARCH_AT = 4;
const ARGS_AT = 16;

const ACTIONS: Record<SeccompAction, number> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x8000_0000,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_ERRNO: 0x0005_0000,
  SCMP_ACT_TRACE: 0x7ff0_0000,
  SCMP_ACT_LOG: 0x7ffc_0000,
  SCMP_ACT_ALLOW: 0x7fff_0000,
  SCMP_ACT_NOTIFY: 0x7fc0_0000,
};

const ARCHITECTURES: Record<string, SeccompArch> = {
  SCMP_ARCH_X86_64: "x86_64",
  SCMP_ARCH_X86: "i386",
  SCMP_ARCH_X32: "x32",
  SCMP_ARCH_AARCH64: "aarch64",
  SCMP_ARCH_ARM: "arm",
};

/** Others that libseccomp knows: a profile may list them, no kernel of ours runs them. */
const FOREIGN =
  "MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB".split(
    " ",
  );

const MAX_INSTRUCTIONS = 4096;
/** Where 32-bit arm has some calls of its own, far above the others. */
const ARM_PRIVATE = 0xf_0000;

const ins = (code: number, k: number, jt = 0, jf = 0): Instruction => ({ code, jt, jf, k: k >>> 0 });

function actionValue(action: SeccompAction, errno: number | undefined): number {
  const value = ACTIONS[action];
  if (value === undefined)
    throw new EngineError("invalid", `string ${action} is not a valid action for seccomp`);
  if (action === "SCMP_ACT_NOTIFY")
    throw new EngineError("notImplemented", "seccomp: SCMP_ACT_NOTIFY is not supported yet");
  const carries = action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE";
  return carries ? value | ((errno ?? ERRNO.EPERM) & 0xffff) : value;
}

/** What happens for one call: the first alternative whose conditions hold, or `otherwise`. */
interface Outcome {
  alternatives: { conditions: readonly SeccompArg[]; action: number }[];
  otherwise: number;
}

/** `native` is whose kernel will run it; its architecture is always among the profile's. */
export function compileSeccomp(profile: Seccomp, native: SeccompArch = ARCH): Instruction[] {
  const architectures = new Set<SeccompArch>([native]);
  for (const name of profile.architectures ?? []) {
    const arch = ARCHITECTURES[name];
    if (arch) architectures.add(arch);
    else if (!FOREIGN.some((foreign) => name === `SCMP_ARCH_${foreign}`))
      throw new EngineError("invalid", `string ${name} is not a valid arch for seccomp`);
  }
  const rules = readRules(profile);
  const program = [ins(LD_ABS, ARCH_AT)];
  const sections = [...architectures].filter((arch) => arch !== "x32" || !architectures.has("x86_64"));
  for (const arch of sections) {
    const body = section(rules, arch, arch === "x86_64" && architectures.has("x32"));
    // Jumps that depend on something reach 255 instructions: a far one is a jump over a jump.
    program.push(ins(JEQ, AUDIT_ARCH[arch], 1, 0), ins(JA, body.length), ...body);
  }
  program.push(ins(RET, ACTIONS.SCMP_ACT_KILL));
  if (program.length > MAX_INSTRUCTIONS) {
    throw new EngineError(
      "invalid",
      `seccomp: the profile needs ${program.length} instructions, the kernel takes ${MAX_INSTRUCTIONS}`,
    );
  }
  return program;
}

function section(rules: Rules, arch: SeccompArch, withX32: boolean): Instruction[] {
  const load = ins(LD_ABS, NR_AT);
  const own = search(rules, arch);
  if (arch !== "x86_64") return [load, ...own];
  const x32 = withX32 ? search(rules, "x32") : [ins(RET, ACTIONS.SCMP_ACT_KILL)];
  return [load, ins(JGE, X32_BIT, 0, 1), ins(JA, own.length), ...own, ...x32];
}

interface Range {
  from: number;
  outcome: Outcome;
}

/** The decision tree of one architecture. */
function search(rules: Rules, arch: SeccompArch): Instruction[] {
  const ranges = toRanges(rules, arch);
  const bits = arch === "i386" || arch === "arm" ? 32 : 64;
  const blocks = ranges.map(({ outcome }) => outcomeBlock(outcome, bits));
  return tree(ranges, blocks, 0, ranges.length);
}

function tree(
  ranges: readonly Range[],
  blocks: readonly Instruction[][],
  from: number,
  to: number,
): Instruction[] {
  if (to - from === 1) return blocks[from] as Instruction[];
  const middle = (from + to) >> 1;
  const left = tree(ranges, blocks, from, middle);
  const right = tree(ranges, blocks, middle, to);
  const pivot = (ranges[middle] as Range).from;
  if (left.length <= 255) return [ins(JGE, pivot, left.length, 0), ...left, ...right];
  return [ins(JGE, pivot, 0, 1), ins(JA, left.length), ...left, ...right];
}

/**
 * Neighbours with the same outcome become one. What is newer than everything that the profile knows gets ENOSYS, so
 * that a libc falls back instead of failing; as runc does. One pass over the calls in the order of their numbers:
 * this runs in programs that have just started.
 */
function toRanges({ outcomes, base, newer }: Rules, arch: SeccompArch): Range[] {
  const ranges: Range[] = [];
  let last: Outcome | undefined;
  const add = (from: number, outcome: Outcome) => {
    if (last && same(last, outcome)) return;
    ranges.push({ from, outcome });
    last = outcome;
  };
  let next = arch === "x32" ? X32_BIT : 0;
  eachSyscall(arch, (name, number) => {
    const outcome = outcomes.get(name);
    if (!outcome) return;
    if (number > next) add(next, number >= ARM_PRIVATE && number < X32_BIT ? newer : base);
    add(number, outcome);
    next = number + 1;
  });
  add(next, newer);
  return ranges;
}

/** What the profile says, by name: the same for every architecture. */
interface Rules {
  outcomes: ReadonlyMap<string, Outcome>;
  base: Outcome;
  newer: Outcome;
}

function readRules(profile: Seccomp): Rules {
  const base: Outcome = {
    alternatives: [],
    otherwise: actionValue(profile.defaultAction, profile.defaultErrnoRet),
  };
  const outcomes = new Map<string, Outcome>();
  for (const rule of profile.syscalls ?? []) addRule(outcomes, rule, base);
  const permissive = profile.defaultAction === "SCMP_ACT_ALLOW" || profile.defaultAction === "SCMP_ACT_LOG";
  if (permissive || outcomes.size === 0) return { outcomes, base, newer: base };
  return {
    outcomes,
    base,
    newer: { alternatives: [], otherwise: actionValue("SCMP_ACT_ERRNO", ERRNO.ENOSYS) },
  };
}

const same = (a: Outcome, b: Outcome): boolean =>
  a === b || (a.otherwise === b.otherwise && a.alternatives.length === 0 && b.alternatives.length === 0);

/** Calls that a rule allows without conditions share one outcome, until another rule says more of one of them. */
function addRule(outcomes: Map<string, Outcome>, rule: SeccompRule, base: Outcome): void {
  const action = actionValue(rule.action, rule.errnoRet);
  const conditions = rule.args ?? [];
  const plain: Outcome = { alternatives: [], otherwise: action };
  for (const name of rule.names) {
    const before = outcomes.get(name);
    if (conditions.length === 0) {
      outcomes.set(name, before ? { ...before, otherwise: action } : plain);
      continue;
    }
    const more = groups(conditions).map((group) => ({ conditions: group, action }));
    const { alternatives, otherwise } = before ?? base;
    outcomes.set(name, { alternatives: [...alternatives, ...more], otherwise });
  }
}

/** All conditions have to hold; but of several on one argument, runc makes alternatives. */
function groups(conditions: readonly SeccompArg[]): (readonly SeccompArg[])[] {
  const indexes = new Set(conditions.map(({ index }) => index));
  return indexes.size === conditions.length ? [conditions] : conditions.map((condition) => [condition]);
}

function outcomeBlock(outcome: Outcome, bits: 32 | 64): Instruction[] {
  const block: Instruction[] = [];
  for (const { conditions, action } of outcome.alternatives) {
    if (action !== outcome.otherwise) block.push(...alternativeBlock(conditions, action, bits));
  }
  block.push(ins(RET, outcome.otherwise));
  return block;
}

/** Targets of jumps until the block is laid out: the next condition, or past the block. */
const MATCH = -1;
const FAIL = -2;

function alternativeBlock(conditions: readonly SeccompArg[], action: number, bits: 32 | 64): Instruction[] {
  const tests = conditions.map((condition) => testBlock(condition, bits));
  const length = tests.reduce((sum, test) => sum + test.length, 1);
  const block: Instruction[] = [];
  for (const test of tests) {
    const end = block.length + test.length;
    for (const step of test) {
      const here = block.length;
      const resolve = (target: number) =>
        target === MATCH ? end - here - 1 : target === FAIL ? length - here - 1 : target;
      block.push({ ...step, jt: resolve(step.jt), jf: resolve(step.jf) });
    }
  }
  block.push(ins(RET, action));
  return block;
}

const MASK_32 = 0xffff_ffffn;
const MAX_64 = (1n << 64n) - 1n;

/** JSON's numbers are doubles: what was 2^64-1 arrives as 2^64. */
function exact(value: number | undefined): bigint {
  const big = BigInt(Math.max(0, value ?? 0));
  return big > MAX_64 ? MAX_64 : big;
}

/** One comparison of an argument, high half first. A program of 32 bits has no high half. */
function testBlock({ index, value, valueTwo, op }: SeccompArg, bits: 32 | 64): Instruction[] {
  if (index < 0 || index > 5) throw new EngineError("invalid", `seccomp: there is no argument ${index}`);
  const operand = exact(value);
  const low = ins(LD_ABS, ARGS_AT + index * 8);
  const high = ins(LD_ABS, ARGS_AT + index * 8 + 4);
  const [vl, vh] = [Number(operand & MASK_32), Number(operand >> 32n)];
  const wide = bits === 64;
  switch (op) {
    case "SCMP_CMP_EQ":
      return [...(wide ? [high, ins(JEQ, vh, 0, FAIL)] : []), low, ins(JEQ, vl, MATCH, FAIL)];
    case "SCMP_CMP_NE":
      return [...(wide ? [high, ins(JEQ, vh, 0, MATCH)] : []), low, ins(JEQ, vl, FAIL, MATCH)];
    case "SCMP_CMP_GT":
    case "SCMP_CMP_GE":
      return ordered({
        high,
        low,
        vh,
        vl,
        wide,
        last: op === "SCMP_CMP_GT" ? JGT : JGE,
        yes: MATCH,
        no: FAIL,
      });
    case "SCMP_CMP_LE":
    case "SCMP_CMP_LT":
      return ordered({
        high,
        low,
        vh,
        vl,
        wide,
        last: op === "SCMP_CMP_LE" ? JGT : JGE,
        yes: FAIL,
        no: MATCH,
      });
    case "SCMP_CMP_MASKED_EQ": {
      const wanted = exact(valueTwo) & operand;
      const [wl, wh] = [Number(wanted & MASK_32), Number(wanted >> 32n)];
      return [
        ...(wide ? [high, ins(AND, vh), ins(JEQ, wh, 0, FAIL)] : []),
        low,
        ins(AND, vl),
        ins(JEQ, wl, MATCH, FAIL),
      ];
    }
    default:
      throw new EngineError("invalid", `string ${op} is not a valid operator for seccomp`);
  }
}

interface Ordered {
  high: Instruction;
  low: Instruction;
  vh: number;
  vl: number;
  wide: boolean;
  last: number;
  yes: number;
  no: number;
}

/** Greater by the high half, or equal there and greater by the low one. */
function ordered({ high, low, vh, vl, wide, last, yes, no }: Ordered): Instruction[] {
  const lowTest = [low, ins(last, vl, yes, no)];
  return wide ? [high, ins(JGT, vh, yes, 0), ins(JEQ, vh, 0, no), ...lowTest] : lowTest;
}

/** The profile as the kernel takes it: an array of struct sock_filter. */
export const compileFilter = (profile: Seccomp, native: SeccompArch = ARCH): Uint8Array =>
  bpfProgram(compileSeccomp(profile, native));

function bpfProgram(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [i, { code, jt, jf, k }] of program.entries()) {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, jt);
    view.setUint8(i * 8 + 3, jf);
    view.setUint32(i * 8 + 4, k, true);
  }
  return bytes;
}
