import { describe, expect, test } from "bun:test";
import { compileDeviceProgram, type Instruction } from "../../../../src/engine/runtime/device-program.ts";
import { deviceRules, ruleText } from "../../../../src/engine/runtime/device-rules.ts";

const ACCESS = { m: 1, r: 2, w: 4 } as const;

/** What the kernel does with the program: five opcodes and two jumps. */
function allows(
  program: readonly Instruction[],
  type: "b" | "c",
  access: string,
  major: number,
  minor: number,
): boolean {
  let mask = 0;
  for (const letter of access) mask |= ACCESS[letter as keyof typeof ACCESS];
  const context = [(type === "b" ? 1 : 2) | (mask << 16), major, minor];
  const r = new Array<number>(11).fill(0);
  for (let at = 0; at < program.length; at++) {
    const { code, dst, src, offset, imm } = program[at] as Instruction;
    if (code === 0x95) return r[0] === 1;
    if (code === 0x61) r[dst] = context[offset / 4] as number;
    else if (code === 0x57) r[dst] = (r[dst] as number) & imm;
    else if (code === 0x77) r[dst] = (r[dst] as number) >>> imm;
    else if (code === 0xb7) r[dst] = imm;
    else if (code === 0xbf) r[dst] = r[src] as number;
    else if (code === 0x55) at += r[dst] !== imm ? offset : 0;
    else if (code === 0x5d) at += r[dst] !== r[src] ? offset : 0;
    else if (code === 0x1d) at += r[dst] === r[src] ? offset : 0;
    else throw new Error(`unknown code ${code}`);
  }
  throw new Error("fell off the end");
}

describe("the rules that every container has", () => {
  const program = compileDeviceProgram(deviceRules([{ allow: false, access: "rwm" }]));

  test("allow what /dev always has, and making any node", () => {
    expect(allows(program, "c", "rw", 1, 3)).toBe(true);
    expect(allows(program, "c", "rwm", 136, 7)).toBe(true);
    expect(allows(program, "b", "m", 8, 0)).toBe(true);
  });

  test("refuse to open the host's disks and memory", () => {
    expect(allows(program, "b", "r", 8, 0)).toBe(false);
    expect(allows(program, "b", "w", 254, 0)).toBe(false);
    expect(allows(program, "c", "r", 1, 1)).toBe(false);
    expect(allows(program, "b", "rm", 8, 0)).toBe(false);
  });
});

test("a later rule decides over an earlier one", () => {
  const program = compileDeviceProgram([
    { allow: true, type: "c", major: 10, minor: -1, access: "rwm" },
    { allow: false, type: "c", major: 10, minor: 229, access: "w" },
  ]);
  expect(allows(program, "c", "r", 10, 229)).toBe(true);
  expect(allows(program, "c", "rw", 10, 229)).toBe(false);
  expect(allows(program, "c", "rw", 10, 1)).toBe(true);
  expect(allows(program, "b", "r", 10, 1)).toBe(false);
});

test("a privileged container may use everything, and its program has no code that is never reached", () => {
  const rules = deviceRules([
    { allow: false, access: "rwm" },
    { allow: true, access: "rwm" },
  ]);
  const program = compileDeviceProgram(rules);
  expect(allows(program, "b", "rwm", 8, 0)).toBe(true);
  expect(program.filter(({ code }) => code === 0x95)).toHaveLength(1);
});

test("version 1 gets the same rules as lines", () => {
  expect(ruleText({ allow: false, access: "rwm" })).toBe("a");
  expect(ruleText({ allow: true, type: "c", major: 1, minor: 3, access: "rwm" })).toBe("c 1:3 rwm");
  expect(ruleText({ allow: true, type: "b", major: -1, minor: -1, access: "m" })).toBe("b *:* m");
});
