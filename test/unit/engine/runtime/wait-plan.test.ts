import { expect, test } from "bun:test";
import { explainPlan } from "../../../../src/engine/runtime/explain.ts";
import { compileWait } from "../../../../src/engine/runtime/wait-plan.ts";

const REMAINS = {
  cgroups: ["/cg/cpu/one", "/cg/pids/one"],
  files: ["/run/one/state.json"],
  folder: "/run/one",
  remove: ["tsd", "tsrunc", "delete", "--force", "one"],
  hooks: false,
};
const calls = (remains?: typeof REMAINS): string[] =>
  compileWait({ name: "tsrunc", ...(remains && { remains }) }).plan.steps.map((step) =>
    step.op === "syscall" ? step.name : step.op,
  );

test("a container that is kept is only waited for", () => {
  expect(calls()).toEqual(["prctl", "close_range", "get", "wait", "exit_group"]);
});

test("what remains goes by calls, and by the program where they do not do", () => {
  const text = explainPlan(compileWait({ name: "tsrunc", remains: REMAINS }).plan);
  expect(text).toContain("wait for pid of the container, sending signals on to it");
  const order = ["/cg/cpu/one", "/cg/pids/one", "/run/one/state.json", '"/run/one"', "clone3", "execveat"];
  const at = order.map((word) => text.indexOf(word));
  expect(at).toEqual(at.toSorted((a, b) => a - b));
  expect(at).not.toContain(-1);
});

test("hooks are the program's", () => {
  expect(calls({ ...REMAINS, hooks: true })).not.toContain("unlinkat");
});
