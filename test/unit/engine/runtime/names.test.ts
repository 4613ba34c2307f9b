import { expect, test } from "bun:test";
import { compileContainer } from "../../../../src/engine/runtime/container.ts";
import { explainPlan } from "../../../../src/engine/runtime/explain.ts";
import type { Plan } from "../../../../src/engine/runtime/plan.ts";
import type { Namespace, Spec } from "../../../../src/engine/runtime/spec.ts";
import type { KeepStep } from "../../../../src/engine/runtime/steps.ts";

const PORTS = { udp: 40001, tcp: 40002 };

function compile(network: Namespace): Plan {
  const spec: Spec = {
    ociVersion: "1.2.0",
    process: { cwd: "/", args: ["true"], env: ["PATH=/bin"] },
    root: { path: "/r" },
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }, network] },
  };
  return compileContainer({
    id: "id",
    spec,
    rootfs: { kind: "path", path: "/r" },
    filter: undefined,
    io: { kind: "pipes", stdin: false },
    cgroup: [],
    keeper: { socket: "/k/id.sock", record: "/k/id.exit", bootId: "boot" },
    names: PORTS,
  });
}

const held = (plan: Plan): string[] =>
  (plan.steps.find(({ op }) => op === "keep") as KeepStep).held.map(({ name }) => name);

test("the keeper binds the sockets for names inside, before the container is there, and is back before it clones", () => {
  const plan = compile({ type: "network", path: "/run/netns/a" });
  const lines = explainPlan(plan)
    .split("\n")
    .map((line) => line.trim());
  const from = lines.findIndex((line) => line.includes("/proc/self/ns/net"));
  const to = lines.findIndex((line) => line.includes("clone3"));
  const steps = lines.slice(from, to).map((line) => line.replace(/^\d+\s*/, "").replace(/\s{2,}#.*$/, ""));
  expect(steps).toEqual([
    'openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY|O_CLOEXEC, 0) → fd 40',
    "setns(39, CLONE_NEWNET)",
    "socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0) → fd 41",
    "bind(41, {AF_INET, 127.0.0.11:40001}, 16)",
    "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0) → fd 42",
    "bind(42, {AF_INET, 127.0.0.11:40002}, 16)",
    "listen(42, 128)",
    "setns(40, CLONE_NEWNET)",
  ]);
  expect(held(plan)).toEqual(["stdout", "stderr", "namesUdp", "namesTcp"]);
});

test("a network namespace that is new has nobody who sends queries there", () => {
  expect(held(compile({ type: "network" }))).toEqual(["stdout", "stderr"]);
});
