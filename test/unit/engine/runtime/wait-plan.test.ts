import { expect, test } from "bun:test";
import { explainPlan } from "../../../../src/engine/runtime/explain.ts";
import { compileWait, type WaitOptions } from "../../../../src/engine/runtime/wait-plan.ts";

const REMAINS = {
  cgroups: ["/cg/cpu/one", "/cg/pids/one"],
  files: ["/run/one/state.json"],
  folder: "/run/one",
  remove: ["tsd", "tsrunc", "delete", "--force", "one"],
  hooks: false,
};
const TELL = ["tsd", "tsrunc", "tell-failure", "run", "one"];

const wait = (options: Partial<WaitOptions> = {}) =>
  compileWait({ name: "tsrunc", tellFailure: TELL, ...options });
const calls = (options?: Partial<WaitOptions>): string[] =>
  wait(options).steps.map((step) => (step.op === "syscall" ? step.name : step.op));

/** These come in that order. */
function expectOrder(text: string, words: readonly string[]): void {
  const at = words.map((word) => text.indexOf(word));
  expect(at).toEqual(at.toSorted((a, b) => a - b));
  expect(at).not.toContain(-1);
}

test("a container that is kept is only waited for, once it has started", () => {
  const all = calls();
  expect(all.filter((name) => !["get", "put", "jump", "close"].includes(name))).toEqual([
    "prctl",
    "close_range",
    "recvfrom",
    "wait",
    "exit_group",
    "fcntl",
    "fcntl",
    "rt_sigprocmask",
    "execveat",
  ]);
});

test("its process is told, then waited for", () => {
  const text = explainPlan(wait({ pidFile: "/run/pid" }));
  expectOrder(text, ["recvfrom", '"/run/.pid"', "wait for pid"]);
});

test("what remains goes by calls, and by the program where they do not do", () => {
  const text = explainPlan(wait({ remains: REMAINS }));
  expect(text).toContain("wait for pid of the process, sending signals on to it");
  expectOrder(text, [
    "/cg/cpu/one",
    "/cg/pids/one",
    "/run/one/state.json",
    '"/run/one"',
    "clone3",
    '"delete"',
    '"tell-failure"',
  ]);
});

test("hooks are the program's", () => {
  expect(calls({ remains: { ...REMAINS, hooks: true } })).not.toContain("unlinkat");
});
