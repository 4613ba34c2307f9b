import { describe, expect, setSystemTime, test } from "bun:test";
import { EventBus } from "../../../../src/engine/event/bus.ts";
import type { EngineEvent } from "../../../../src/engine/event/types.ts";
import type { Filters } from "../../../../src/engine/filters.ts";

const start = (name: string, image = "busybox:latest", labels: Record<string, string> = {}) => ({
  Type: "container" as const,
  Action: "start",
  Actor: { ID: `id-of-${name}`, Attributes: { name, image, ...labels } },
});
const pull = (name: string) => ({
  Type: "image" as const,
  Action: "pull",
  Actor: { ID: name, Attributes: { name } },
});
const execCreate = {
  Type: "container" as const,
  Action: "exec_create: sh -c true",
  Actor: { ID: "x", Attributes: { name: "c" } },
};

function matching(filters: Filters): string[] {
  const bus = new EventBus();
  const seen: EngineEvent[] = [];
  bus.subscribe((event) => seen.push(event), filters);
  for (const happening of [
    start("web", "busybox:latest", { a: "b" }),
    start("db", "docker.io/library/alpine:3"),
    pull("busybox:latest"),
    execCreate,
  ]) {
    bus.emit(happening);
  }
  return seen.map(({ Action, Actor }) => `${Action} ${Actor.Attributes.name}`);
}

describe("event filters", () => {
  test("let everything through when there are none", () => {
    expect(matching({})).toHaveLength(4);
  });
  test("type, event and scope must be equal", () => {
    expect(matching({ type: ["image"] })).toEqual(["pull busybox:latest"]);
    expect(matching({ event: ["start"] })).toEqual(["start web", "start db"]);
    expect(matching({ event: ["star"] })).toEqual([]);
    expect(matching({ scope: ["swarm"] })).toEqual([]);
  });
  test("an event that carries a detail is found without it", () => {
    expect(matching({ event: ["exec_create"] })).toEqual(["exec_create: sh -c true c"]);
  });
  test("a container is found by its name, its id, or the start of either", () => {
    expect(matching({ container: ["web"] })).toEqual(["start web"]);
    expect(matching({ container: ["id-of-d"] })).toEqual(["start db"]);
  });
  test("an image is found in its own events and in those of its containers, with or without tag", () => {
    expect(matching({ image: ["busybox"] })).toEqual(["start web", "pull busybox:latest"]);
    expect(matching({ image: ["busybox:latest"] })).toEqual(["start web", "pull busybox:latest"]);
    expect(matching({ image: ["alpine"] })).toEqual(["start db"]);
    expect(matching({ image: ["busybo"] })).toEqual([]);
  });
  test("all labels must hold", () => {
    expect(matching({ label: ["a=b"] })).toEqual(["start web"]);
    expect(matching({ label: ["a"] })).toEqual(["start web"]);
    expect(matching({ label: ["a=b", "c"] })).toEqual([]);
    expect(matching({ label: ["a=c"] })).toEqual([]);
  });
});

describe("past events", () => {
  test("are told only to who asks for a time", () => {
    const bus = new EventBus();
    bus.emit(start("web"));
    expect(bus.past({})).toEqual([]);
    expect(bus.past({ since: 0n })).toHaveLength(1);
  });
  test("the last 256 are kept, oldest first, each later than the one before", () => {
    const bus = new EventBus();
    for (let n = 0; n < 300; n++) bus.emit(start(`c${n}`));
    const past = bus.past({ since: 0n });
    expect(past).toHaveLength(256);
    expect(past[0]!.Actor.Attributes.name).toBe("c44");
    for (let n = 1; n < past.length; n++) expect(past[n]!.timeNano > past[n - 1]!.timeNano).toBe(true);
  });
  test("bear the wall clock's time, also when that was stepped", () => {
    const bus = new EventBus();
    const dates = ["2031-02-03T04:05:06Z", "2030-01-01T00:00:00Z"];
    try {
      for (const date of dates) {
        setSystemTime(new Date(date));
        bus.emit(start(date));
      }
    } finally {
      setSystemTime();
    }
    expect(bus.past({ since: 0n }).map(({ timeNano }) => Number(timeNano / 1_000_000n))).toEqual(
      dates.map((date) => Date.parse(date)),
    );
  });
  test("lie between since and until", () => {
    const bus = new EventBus();
    for (const name of ["a", "b", "c"]) bus.emit(start(name));
    const [, b] = bus.past({ since: 0n });
    const names = bus
      .past({ since: b!.timeNano, until: b!.timeNano })
      .map(({ Actor }) => Actor.Attributes.name);
    expect(names).toEqual(["b"]);
  });
  test("a listener that stopped hears nothing more", () => {
    const bus = new EventBus();
    let heard = 0;
    const stop = bus.subscribe(() => heard++);
    bus.emit(start("a"));
    stop();
    bus.emit(start("b"));
    expect(heard).toBe(1);
    expect(bus.listeners).toBe(0);
  });
});
