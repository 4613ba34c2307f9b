/**
 * Every answer has exactly Docker 29's fields, in its order, of its types, with its defaults: the shapes in
 * api/shapes.json. There a word with a colon is a type, anything else the value itself; see `mismatches`.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { loadBusybox } from "../support/busybox.ts";
import { Daemon, until } from "../support/daemon.ts";
import shapes from "./api/shapes.json" with { type: "json" };

type Name = keyof typeof shapes;

const TYPES: Record<string, (value: unknown) => boolean> = {
  ":any": () => true,
  ":string": (value) => typeof value === "string" && value !== "",
  /** May be empty. */
  ":text": (value) => typeof value === "string",
  ":number": (value) => typeof value === "number",
  ":boolean": (value) => typeof value === "boolean",
  ":list": (value) => Array.isArray(value),
  ":id": (value) => /^[0-9a-f]{64}$/.test(String(value)),
  ":digest": (value) => /^sha256:[0-9a-f]{64}$/.test(String(value)),
  ":time": (value) => /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(String(value)),
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * What is wrong with `value`, each with its path. `[":each", S]` is a list with at least one entry, all of shape S;
 * `{":map": S}` an object with any keys; a key that ends with `?` may be missing.
 */
function mismatches(shape: unknown, value: unknown, path = ""): string[] {
  const wrong = (): string[] => [
    `${path}: ${JSON.stringify(value)?.slice(0, 80)} is not ${JSON.stringify(shape).slice(0, 80)}`,
  ];
  if (typeof shape === "string" && shape.startsWith(":")) return TYPES[shape]!(value) ? [] : wrong();
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return wrong();
    if (shape[0] === ":each") {
      if (value.length === 0) return wrong();
      return value.flatMap((entry, at) => mismatches(shape[1], entry, `${path}[${at}]`));
    }
    if (shape.length !== value.length) return wrong();
    return shape.flatMap((entry, at) => mismatches(entry, value[at], `${path}[${at}]`));
  }
  if (!isObject(shape)) return shape === value ? [] : wrong();
  if (!isObject(value)) return wrong();
  if (":map" in shape) {
    return Object.entries(value).flatMap(([key, each]) => mismatches(shape[":map"], each, `${path}.${key}`));
  }
  const keys = Object.keys(shape).filter((key) => !key.endsWith("?") || key.slice(0, -1) in value);
  const names = keys.map((key) => key.replace(/\?$/, ""));
  if (!Bun.deepEquals(names, Object.keys(value))) {
    const given = Object.keys(value);
    const missing = names.filter((name) => !given.includes(name));
    const extra = given.filter((name) => !names.includes(name));
    return [`${path}: missing ${missing}; extra ${extra}; or in another order: ${given}`];
  }
  return keys.flatMap((key, at) => mismatches(shape[key], value[names[at]!], `${path}.${names[at]}`));
}

let daemon: Daemon;
const began = Math.floor(Date.now() / 1000);
beforeAll(async () => {
  daemon = await new Daemon().start();
  loadBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

async function ask(path: string, method = "GET", body?: object): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  const init = body === undefined ? { method } : { method, headers, body: JSON.stringify(body) };
  const text = await (await daemon.request(`/v1.55${path}`, init)).text();
  return text === "" ? undefined : JSON.parse(text);
}

/** The answer, once it has the shape. */
async function check(name: Name, path: string, method?: string, body?: object): Promise<unknown> {
  const answer = await ask(path, method, body);
  expect(mismatches(shapes[name], answer)).toEqual([]);
  return answer;
}

test("the check finds what is missing, too much, in another order, and of another type", () => {
  const shape = { a: ":number", "b?": null, c: [":each", ":string"] };
  expect(mismatches(shape, { a: 1, c: ["x"] })).toEqual([]);
  expect(mismatches(shape, { a: 1, b: null, c: ["x"] })).toEqual([]);
  for (const bad of [
    { a: 1 },
    { a: 1, c: ["x"], d: 1 },
    { c: ["x"], a: 1 },
    { a: "1", c: ["x"] },
    { a: 1, c: [] },
  ])
    expect(mismatches(shape, bad)).not.toEqual([]);
});

test("the daemon", async () => {
  await check("version", "/version");
  await check("info", "/info");
  await check("disk usage", "/system/df");
});

test("images", async () => {
  await check("image list", "/images/json?manifests=1&shared-size=1");
  await check("image inspect", "/images/busybox/json?manifests=1");
  await check("image history", "/images/busybox/history");
  await check("image prune", "/images/prune", "POST");
});

test("a container, from its creation to its end, and its execs", async () => {
  await check("create", "/containers/create?name=plain", "POST", {
    Image: "busybox",
    Cmd: ["sleep", "1000"],
    HostConfig: { NetworkMode: "none" },
  });
  await check("container, created", "/containers/plain/json");
  await ask("/containers/plain/start", "POST");
  await check("container, running", "/containers/plain/json?size=1");
  await check("container list", "/containers/json?size=1");
  await check("top", "/containers/plain/top");
  const exec = { AttachStdout: true, Cmd: ["sleep", "1000"] };
  const { Id } = (await check("exec create", "/containers/plain/exec", "POST", exec)) as { Id: string };
  await ask(`/exec/${Id}/start`, "POST", { Detach: true });
  await check("exec", `/exec/${Id}/json`);
  if (!existsSync("/sys/fs/cgroup/cgroup.controllers"))
    await check("stats", "/containers/plain/stats?stream=0");
  await daemon.docker("exec", "plain", "sh", "-c", "echo > /new; rm /bin/vi");
  await check("changes", "/containers/plain/changes");
  await daemon.docker("stop", "-t", "0", "plain");
  await check("container, exited", "/containers/plain/json");
  await check("wait", "/containers/plain/wait", "POST");
  await check("update", "/containers/plain/update", "POST", { CpuShares: 100 });
  await check("container prune", "/containers/prune", "POST");
  await check("no such container", "/containers/nosuch/json");
}, 20_000);

test("every event", async () => {
  const end = Math.floor(Date.now() / 1000) + 1;
  await until(() => Date.now() > end * 1000, "the second to end");
  const response = await daemon.request(`/v1.55/events?since=${began}&until=${end}`);
  const lines = (await response.text()).trim().split("\n");
  expect(lines.length).toBeGreaterThan(8);
  for (const line of lines) expect(mismatches(shapes.event, JSON.parse(line))).toEqual([]);
});
