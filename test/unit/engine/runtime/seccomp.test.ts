import { describe, expect, test } from "bun:test";
import { compileSeccomp, type Instruction } from "../../../../src/engine/runtime/seccomp.ts";
import { defaultSeccomp, resolveProfile } from "../../../../src/engine/runtime/seccomp-default.ts";
import type { Seccomp } from "../../../../src/engine/runtime/spec.ts";
import { AUDIT_ARCH, type SeccompArch, syscallTable } from "../../../../src/ffi/seccomp-arch.ts";

const ALLOW = 0x7fff_0000;
const KILL = 0;
const errno = (number: number) => 0x5_0000 | number;
const EPERM = errno(1);
const ENOSYS = errno(38);

/** What the kernel does with a filter, and nothing else than what our compiler uses. */
function evaluate(
  program: readonly Instruction[],
  arch: SeccompArch,
  nr: number,
  args: readonly bigint[] = [],
): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, nr, true);
  data.setUint32(4, AUDIT_ARCH[arch], true);
  for (const [i, arg] of args.entries()) data.setBigUint64(16 + i * 8, arg, true);
  let a = 0;
  for (let at = 0; at < program.length; at++) {
    const { code, jt, jf, k } = program[at] as Instruction;
    if (jt < 0 || jt > 255 || jf < 0 || jf > 255) throw new Error(`a jump of step ${at} does not fit a byte`);
    if (code === 0x06) return k;
    if (code === 0x20) a = data.getUint32(k, true);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) at += a === k ? jt : jf;
    else if (code === 0x25) at += a > k ? jt : jf;
    else if (code === 0x35) at += a >= k ? jt : jf;
    else throw new Error(`unknown code ${code}`);
  }
  throw new Error("fell off the end");
}

const number = (arch: SeccompArch, name: string): number => {
  const found = syscallTable(arch).get(name);
  if (found === undefined) throw new Error(`${arch} has no ${name}`);
  return found;
};

describe("Docker's default profile on amd64", () => {
  const machine = { arch: "amd64", kernel: "6.1.0" } as const;
  const program = compileSeccomp(defaultSeccomp(["CAP_CHOWN"], machine), "x86_64");
  const on = (arch: SeccompArch, name: string, ...args: bigint[]) =>
    evaluate(program, arch, number(arch, name), args);

  test("fits a filter, with its companions", () => {
    expect(program.length).toBeLessThan(1200);
  });

  test("allows by name on all three architectures", () => {
    for (const arch of ["x86_64", "i386", "x32"] as const) {
      for (const name of ["read", "execve", "openat2", "ptrace", "statx"]) expect(on(arch, name)).toBe(ALLOW);
    }
    expect(on("i386", "socketcall")).toBe(ALLOW);
  });

  test("refuses what is not listed, and answers ENOSYS to what nobody knows yet", () => {
    for (const name of ["mount", "reboot", "kexec_load", "add_key", "bpf", "setns"])
      expect(on("x86_64", name)).toBe(EPERM);
    expect(evaluate(program, "x86_64", 600)).toBe(ENOSYS);
    expect(evaluate(program, "i386", 600)).toBe(ENOSYS);
    expect(evaluate(program, "x32", 0x4000_0000 + 600)).toBe(ENOSYS);
  });

  test("decides clone by its flags, and sends clone3 away", () => {
    expect(on("x86_64", "clone", 0x11n)).toBe(ALLOW);
    expect(on("x86_64", "clone", 0x1000_0000n | 0x11n)).toBe(EPERM);
    expect(on("x86_64", "clone", 1n << 40n)).toBe(ALLOW);
    expect(on("x86_64", "clone3")).toBe(ENOSYS);
  });

  test("refuses the socket families AF_ALG and AF_VSOCK alone", () => {
    const family = (af: bigint) => on("x86_64", "socket", af);
    expect([1n, 2n, 37n, 39n, 41n].map(family)).toEqual([ALLOW, ALLOW, ALLOW, ALLOW, ALLOW]);
    expect([38n, 40n].map(family)).toEqual([EPERM, EPERM]);
    expect(family((1n << 32n) | 38n)).toBe(ALLOW);
  });

  test("allows the personalities that change nothing dangerous", () => {
    for (const persona of [0n, 8n, 0x20000n, 0x20008n, 0xffff_ffffn])
      expect(on("x86_64", "personality", persona)).toBe(ALLOW);
    expect(on("x86_64", "personality", 0x40000n)).toBe(EPERM);
  });

  test("kills calls of an architecture that it does not know", () => {
    expect(evaluate(program, "aarch64", number("aarch64", "read"))).toBe(KILL);
  });

  test("gives more to more capabilities", () => {
    const admin = compileSeccomp(defaultSeccomp(["CAP_SYS_ADMIN", "CAP_SYS_BOOT"], machine), "x86_64");
    for (const name of ["mount", "setns", "clone3", "reboot"]) {
      expect(evaluate(admin, "x86_64", number("x86_64", name))).toBe(ALLOW);
    }
    expect(evaluate(admin, "x86_64", number("x86_64", "clone"), [0x1000_0000n])).toBe(ALLOW);
  });
});

test("Docker's default profile on arm64 speaks for 32-bit arm, too", () => {
  const program = compileSeccomp(defaultSeccomp([], { arch: "arm64", kernel: "6.1" }), "aarch64");
  expect(evaluate(program, "aarch64", number("aarch64", "read"))).toBe(ALLOW);
  expect(evaluate(program, "aarch64", number("aarch64", "mount"))).toBe(EPERM);
  expect(evaluate(program, "arm", number("arm", "set_tls"))).toBe(ALLOW);
  expect(evaluate(program, "arm", number("arm", "cacheflush"))).toBe(ALLOW);
  expect(evaluate(program, "arm", 800)).toBe(ENOSYS);
  expect(evaluate(program, "x86_64", 0)).toBe(KILL);
});

describe("comparisons", () => {
  const big = 0x1_0000_0005;
  const values = [
    0n,
    4n,
    5n,
    6n,
    0x1_0000_0000n,
    0x1_0000_0004n,
    0x1_0000_0005n,
    0x1_0000_0006n,
    0x2_0000_0000n,
    2n ** 64n - 1n,
  ];
  const holds: Record<string, (a: bigint, b: bigint) => boolean> = {
    SCMP_CMP_NE: (a, b) => a !== b,
    SCMP_CMP_LT: (a, b) => a < b,
    SCMP_CMP_LE: (a, b) => a <= b,
    SCMP_CMP_EQ: (a, b) => a === b,
    SCMP_CMP_GE: (a, b) => a >= b,
    SCMP_CMP_GT: (a, b) => a > b,
  };
  for (const [op, expected] of Object.entries(holds)) {
    test(`${op} compares all 64 bits`, () => {
      for (const value of [5, big]) {
        const profile = {
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [
            { names: ["dup"], action: "SCMP_ACT_ERRNO", errnoRet: 7, args: [{ index: 2, value, op }] },
          ],
        } as Seccomp;
        const program = compileSeccomp(profile, "x86_64");
        for (const arg of values) {
          const got = evaluate(program, "x86_64", number("x86_64", "dup"), [0n, 0n, arg]);
          expect([arg, got]).toEqual([arg, expected(arg, BigInt(value)) ? errno(7) : ALLOW]);
        }
      }
    });
  }

  test("all arguments of a rule have to match, but two conditions on one argument are alternatives", () => {
    const rule = (args: { index: number; value: number }[]) =>
      compileSeccomp(
        {
          defaultAction: "SCMP_ACT_ERRNO",
          syscalls: [
            {
              names: ["dup"],
              action: "SCMP_ACT_ALLOW",
              args: args.map((arg) => ({ ...arg, op: "SCMP_CMP_EQ" as const })),
            },
          ],
        },
        "x86_64",
      );
    const dup = number("x86_64", "dup");
    const both = rule([
      { index: 0, value: 1 },
      { index: 1, value: 2 },
    ]);
    expect(evaluate(both, "x86_64", dup, [1n, 2n])).toBe(ALLOW);
    expect(evaluate(both, "x86_64", dup, [1n, 3n])).toBe(EPERM);
    const either = rule([
      { index: 0, value: 1 },
      { index: 0, value: 2 },
    ]);
    expect(evaluate(either, "x86_64", dup, [2n])).toBe(ALLOW);
    expect(evaluate(either, "x86_64", dup, [3n])).toBe(EPERM);
  });
});

test("a profile that allows by default says nothing of newer calls", () => {
  const program = compileSeccomp(
    { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["chmod", "fchmod"], action: "SCMP_ACT_ERRNO" }] },
    "x86_64",
  );
  expect(evaluate(program, "x86_64", number("x86_64", "chmod"))).toBe(EPERM);
  expect(evaluate(program, "x86_64", 600)).toBe(ALLOW);
});

test("a profile in Docker's format loses the rules that do not hold here", () => {
  const profile = resolveProfile(
    {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        { names: ["a"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "6.2" } },
        { names: ["b"], action: "SCMP_ACT_ALLOW", excludes: { arches: ["arm64"] } },
        { name: "c", action: "SCMP_ACT_ALLOW", comment: "kept" },
      ],
    },
    [],
    { arch: "arm64", kernel: "6.1.0-13-arm64" },
  );
  expect(profile.syscalls).toEqual([{ names: ["c"], action: "SCMP_ACT_ALLOW" }]);
});

test("a profile with a word that nobody knows is refused, not taken without it", () => {
  const profile = (change: object) => ({ defaultAction: "SCMP_ACT_ALLOW" as const, ...change });
  expect(() => compileSeccomp(profile({ architectures: ["SCMP_ARCH_NOPE"] }))).toThrow(
    "string SCMP_ARCH_NOPE is not a valid arch for seccomp",
  );
  expect(() => compileSeccomp(profile({ defaultAction: "SCMP_ACT_NOPE" }))).toThrow(
    "string SCMP_ACT_NOPE is not a valid action for seccomp",
  );
  expect(compileSeccomp(profile({ architectures: ["SCMP_ARCH_S390X"] })).length).toBeGreaterThan(0);
});
