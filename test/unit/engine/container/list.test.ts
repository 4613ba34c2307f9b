import { expect, test } from "bun:test";
import { humanDuration, NEW_STATE, statusText, timeOf } from "../../../../src/engine/container/state.ts";
import type { Filters } from "../../../../src/engine/filters.ts";
import { Rig, refusal } from "./fakes.ts";

async function three(rig: Rig): Promise<string[]> {
  const ids = [
    await rig.create(
      { Labels: { k: "v" }, HostConfig: { PortBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] } } },
      "one",
    ),
    await rig.create({ HostConfig: { NetworkMode: "none" } }, "two"),
    await rig.create({ HostConfig: { Binds: ["/usr:/data"] } }, "three"),
  ];
  await rig.containers.start("one");
  await rig.containers.start("two");
  rig.shim.end(ids[1]!, 3);
  await new Promise((resolve) => setTimeout(resolve, 5));
  return ids;
}

async function names(rig: Rig, filters: Filters, options: { all?: boolean; limit?: number } = { all: true }) {
  const found = await rig.containers.list({ all: false, size: false, limit: 0, ...options, filters });
  return found.map((entry) => (entry as unknown as { Names: string[] }).Names[0]);
}

test("only running ones, unless all or some limit is asked for; newest first", async () => {
  using rig = new Rig();
  await three(rig);
  expect(await names(rig, {}, {})).toEqual(["/one"]);
  expect(await names(rig, {})).toEqual(["/three", "/two", "/one"]);
  expect(await names(rig, {}, { limit: 2 })).toEqual(["/three", "/two"]);
});

test("every filter of docker ps", async () => {
  using rig = new Rig();
  const ids = await three(rig);
  const cases: [Filters, string[]][] = [
    [{ status: ["exited"] }, ["/two"]],
    [{ status: ["created", "exited"] }, ["/three", "/two"]],
    [{ exited: ["3"] }, ["/two"]],
    [{ exited: ["0"] }, []],
    [{ name: ["^/t"] }, ["/three", "/two"]],
    [{ name: ["one"] }, ["/one"]],
    [{ id: [ids[0]!.slice(0, 12)] }, ["/one"]],
    [{ id: ["0000"] }, []],
    [{ label: ["k"] }, ["/one"]],
    [{ label: ["k=v"] }, ["/one"]],
    [{ label: ["k=w"] }, []],
    [{ before: ["two"] }, ["/one"]],
    [{ since: ["one"] }, ["/three", "/two"]],
    [{ network: ["none"] }, ["/two"]],
    [{ volume: ["/data"] }, ["/three"]],
    [{ volume: ["/usr"] }, ["/three"]],
    [{ ancestor: ["busybox"], name: ["one"] }, ["/one"]],
    [{ ancestor: ["other"] }, []],
    [{ health: ["none"] }, ["/three", "/two", "/one"]],
    [{ health: ["healthy"] }, []],
    [{ "is-task": ["true"] }, []],
    [{ publish: ["80"] }, []],
    [{ publish: ["8080"] }, ["/one"]],
    [{ publish: ["8080/udp"] }, []],
    [{ expose: ["70-80/tcp"] }, ["/one"]],
    [{ publish: ["1"], expose: ["80"] }, ["/one"]],
  ];
  for (const [filters, expected] of cases)
    expect([filters, await names(rig, filters)]).toEqual([filters, expected]);
});

test("filters that make no sense are refused", async () => {
  using rig = new Rig();
  expect(await refusal(names(rig, { x: ["y"] }))).toEqual(["invalid", "invalid filter 'x'"]);
  expect(await refusal(names(rig, { status: ["x"] }))).toEqual([
    "invalid",
    "invalid filter 'status=x': invalid value for state (x): must be one of created, running, paused, restarting, removing, exited, dead",
  ]);
  expect((await refusal(names(rig, { before: ["nosuch"] })))[0]).toBe("notFound");
});

test("the command as docker ps shows it", async () => {
  using rig = new Rig();
  await rig.create({ Cmd: ["sh", "-c", "sleep 1"] });
  const [entry] = await rig.containers.list({ all: true, size: true, limit: 0, filters: {} });
  expect(entry as unknown).toMatchObject({
    Command: "sh -c 'sleep 1'",
    SizeRw: 10,
    SizeRootFs: 100,
    Image: "busybox",
  });
});

test("durations and states in words", () => {
  const second = 1000;
  expect(
    [500, second, 59 * second, 90 * second, 3 * 60 * second, 3600 * second, 47 * 3600 * second].map(
      humanDuration,
    ),
  ).toEqual([
    "Less than a second",
    "1 second",
    "59 seconds",
    "About a minute",
    "3 minutes",
    "About an hour",
    "47 hours",
  ]);
  const at = Date.parse("2026-01-01T00:01:00Z");
  const state = { ...NEW_STATE, startedAt: "2026-01-01T00:00:00Z" };
  expect(statusText(NEW_STATE, false)).toBe("Created");
  expect(statusText({ ...state, status: "running" }, false, at)).toBe("Up About a minute");
  expect(statusText({ ...state, status: "paused" }, false, at)).toBe("Up About a minute (Paused)");
  expect(
    statusText({ ...state, status: "exited", finishedAt: "2026-01-01T00:00:55Z", exitCode: 2 }, false, at),
  ).toBe("Exited (2) 5 seconds ago");
  expect(timeOf("1795229886389334884")).toBe("2026-11-21T02:58:06.389334884Z");
  expect(timeOf("1795229886000000000")).toBe("2026-11-21T02:58:06Z");
});
