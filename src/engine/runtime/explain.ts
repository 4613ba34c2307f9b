/**
 * A plan for people: every system call in order, one line each, in strace's manner (`tsrunc explain`).
 */
import { errnoName } from "../../ffi/errno.ts";
import type { Plan } from "./plan.ts";
import type { Condition, Label, Slot, Step, Value } from "./steps.ts";

/** One line for each step: its index, what it does, what becomes of the result, and what it is for. */
export function explainPlan(plan: Plan): string {
  const entries = new Map<number, string>();
  for (const step of plan.steps) {
    if (step.op === "clone") entries.set(step.child.at, `${step.child.name}: (process ${step.process})`);
    if (step.op === "jump" && !entries.has(step.to.at)) entries.set(step.to.at, `${step.to.name}:`);
  }
  const width = String(plan.steps.length).length;
  const lines: string[] = [];
  plan.steps.forEach((step, index) => {
    const entry = entries.get(index);
    if (entry !== undefined) lines.push(entry);
    lines.push(`${String(index).padStart(width + 2)}  ${explainStep(step)}`);
  });
  const text = `${lines.join("\n")}\n`;
  return plan.nested === undefined ? text : `${text}init:\n${explainPlan(plan.nested)}`;
}

function explainStep(step: Step): string {
  const text = `${action(step)}${outcome(step)}`;
  return step.label === (step.op === "syscall" ? step.name : step.op) ? text : `${text}  # ${step.label}`;
}

function action(step: Step): string {
  switch (step.op) {
    case "syscall":
      return `${step.name}(${step.args.map((arg, n) => argument(arg, n === 0 && takesFolder(step.name))).join(", ")})`;
    case "put":
      return `put ${argument(step.value)} into ${step.into.show} as ${step.as}`;
    case "get":
      return `get ${step.as} from ${step.from.show}`;
    case "line":
      return `find what follows ${step.begin.show} in ${step.text.show}`;
    case "jump":
      return step.when === "always"
        ? `go to ${place(step.to)}`
        : `if ${argument(step.value)} is ${condition(step.when)} go to ${place(step.to)}`;
    case "clone": {
      const cgroup = step.cgroup === undefined ? "" : `, cgroup ${step.cgroup}`;
      return `clone3(${argument(step.flags)}${cgroup}) goes on at ${place(step.child)}`;
    }
    case "pass":
      return `pass fd ${argument(step.send)} over ${argument(step.socket)}`;
    case "receive":
      return `receive an fd from ${argument(step.socket)}`;
    case "sync":
      return `sync ${step.tag}${step.value === undefined ? "" : `: ${argument(step.value)}`}`;
    case "await":
      return `await ${step.tag}`;
    case "wait":
      return `wait for ${argument(step.pid)}${step.forward ? ", sending signals on to it" : ""}${step.slot === undefined ? " and end with its status" : ""}`;
    case "reap": {
      const options = [
        step.group && "group",
        step.warn && "warn",
        step.remap && `0 for ${step.remap.join(" ")}`,
      ];
      return ["reap", argument(step.pid), ...options.filter(Boolean)].join(" ");
    }
    case "keep": {
      const held = step.held.map(({ name, fd }) => `${name} ${fd}`).join(", ");
      const watches = (step.watches ?? []).map(({ kind, fd }) => `, watch ${kind} ${fd}`).join("");
      return `keep ${argument(step.pid)} (${held}${watches})`;
    }
    case "proxy":
      return step.first === undefined
        ? `forward ports that are told at ${step.listen}`
        : `forward ${step.first.count} ports`;
    case "fail":
      return `fail with ${errnoName(step.errno)}`;
    case "check":
      return "fail if another process failed";
    case "more":
      return "go on with the next part";
  }
}

function outcome(step: Step): string {
  const { slot, fd, tolerate } = step as { slot?: Slot; fd?: number; tolerate?: readonly number[] | "all" };
  let text = "";
  if (slot !== undefined) text += ` → ${slot.name}`;
  if (fd !== undefined) text += ` → fd ${fd}`;
  if (tolerate === "all") text += " or any error";
  else if (tolerate !== undefined && tolerate.length > 0) text += ` or ${tolerate.map(errnoName).join(", ")}`;
  return text;
}

/** The calls whose first argument may be AT_FDCWD. */
const takesFolder = (name: string): boolean => name.includes("at") && !name.includes("stat");

function argument(value: Value, folder = false): string {
  if (typeof value === "object") return value.kind === "slot" ? value.name : value.show;
  if (folder && Number(value) === -100) return "AT_FDCWD";
  return value > 0xffff ? `0x${value.toString(16)}` : String(value);
}

const place = (label: Label): string => `${label.name} (${label.at})`;

const condition = (when: Condition): string => (typeof when === "object" ? String(when.equals) : when);
