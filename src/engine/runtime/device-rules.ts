/**
 * Which devices a container may use: the specification's rules, then those that every container has, given to the
 * devices controller of version 1, or compiled into a program of version 2.
 * @source config-linux.md "Allowed Device list"; runc's default set
 */
import { bpfInstructions, compileDeviceProgram } from "./device-program.ts";
import { openHost, writeText } from "./inside.ts";
import { named, type PlanBuilder } from "./plan.ts";
import type { DeviceRule } from "./spec.ts";

const character = (major: number, minor: number): DeviceRule => ({
  allow: true,
  type: "c",
  major,
  minor,
  access: "rwm",
});

/** Appended to every container's: making any node, and using what /dev always has, terminals and /dev/net/tun. */
const DEFAULT_RULES: readonly DeviceRule[] = [
  { allow: true, type: "c", major: -1, minor: -1, access: "m" },
  { allow: true, type: "b", major: -1, minor: -1, access: "m" },
  character(1, 3),
  character(1, 8),
  character(1, 7),
  character(5, 0),
  character(1, 5),
  character(1, 9),
  character(136, -1),
  character(5, 2),
  character(10, 200),
];

const allOf = (rule: DeviceRule): boolean => (rule.type ?? "a") === "a";
const everything = (rule: DeviceRule): boolean =>
  allOf(rule) &&
  (rule.major ?? -1) < 0 &&
  (rule.minor ?? -1) < 0 &&
  !["r", "w", "m"].some((c) => !(rule.access ?? "rwm").includes(c));

/** Everything that a later rule for everything makes moot is left out. */
export function deviceRules(given: readonly DeviceRule[] = []): DeviceRule[] {
  let last = given.length - 1;
  while (last >= 0 && !everything(given[last]!)) last--;
  const rules = last > 0 ? given.slice(last) : [...given];
  if (last >= 0 && rules[0]?.allow && rules.length === 1) return rules;
  return [...rules, ...DEFAULT_RULES];
}

const numberText = (value: number | undefined): string =>
  value === undefined || value < 0 ? "*" : String(value);

/** Letters that mean nothing are passed over, as by runc. */
function accessOf({ access = "" }: DeviceRule): string {
  let known = "";
  for (const letter of "rwm") if (access.includes(letter)) known += letter;
  return known || "rwm";
}

/** Version 1's line: `c 1:3 rwm`. */
export function ruleText(rule: DeviceRule): string {
  return allOf(rule)
    ? "a"
    : `${rule.type} ${numberText(rule.major)}:${numberText(rule.minor)} ${accessOf(rule)}`;
}

/** A file stays open for the rules that follow each other. */
export function writeDeviceRules(
  plan: PlanBuilder,
  fd: number,
  path: string,
  rules: readonly DeviceRule[],
): void {
  let opened = "";
  for (const rule of rules) {
    const file = `${path}/${rule.allow ? "devices.allow" : "devices.deny"}`;
    const text = ruleText(rule);
    const label = `failed to write ${JSON.stringify(text)}: write ${file}`;
    if (file !== opened) openHost(plan, file, ["O_WRONLY", "O_CLOEXEC"], { label, fd });
    opened = file;
    writeText(plan, fd, text, label);
  }
}

const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;
const ATTR_SIZE = 128;

/** Version 2: the program is loaded and attached to the folder; it goes when the folder goes. */
export function attachDeviceProgram(
  plan: PlanBuilder,
  fd: number,
  path: string,
  rules: readonly DeviceRule[],
): void {
  const label = "failed to load the device program of the cgroup";
  const instructions = compileDeviceProgram(rules);
  const code = plan.bytes(
    bpfInstructions(instructions),
    `device program, ${instructions.length} instructions`,
  );
  const load = plan.struct(ATTR_SIZE, "{BPF_PROG_TYPE_CGROUP_DEVICE}", [
    [0, "u32", BPF_PROG_TYPE_CGROUP_DEVICE],
    [4, "u32", instructions.length],
    [8, "u64", code],
    [16, "u64", plan.string("Apache-2.0")],
  ]);
  const program = plan.fd();
  plan.call("bpf", [named("BPF_PROG_LOAD", BPF_PROG_LOAD), load, ATTR_SIZE], { label, fd: program });
  openHost(plan, path, ["O_DIRECTORY", "O_RDONLY", "O_CLOEXEC"], { label: `open cgroup ${path}`, fd });
  const attachment = plan.struct(ATTR_SIZE, "{BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI}", [
    [0, "u32", fd],
    [4, "u32", program],
    [8, "u32", BPF_CGROUP_DEVICE],
    [12, "u32", BPF_F_ALLOW_MULTI],
  ]);
  plan.call("bpf", [named("BPF_PROG_ATTACH", BPF_PROG_ATTACH), attachment, ATTR_SIZE], {
    label: "failed to attach the device program to the cgroup",
  });
  plan.call("close", [program], { label });
}
