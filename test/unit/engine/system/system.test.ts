import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNetworks } from "../../../../src/engine/system/networks.ts";
import { operatingSystem } from "../../../../src/engine/system/probe.ts";
import { System } from "../../../../src/engine/system/system.ts";

const folder = mkdtempSync(join(tmpdir(), "system-"));
afterAll(() => rmSync(folder, { recursive: true }));

const make = () =>
  new System({
    api: { min: "1.24", max: "1.55" },
    idFile: join(folder, "engine-id"),
    containers: () => ({ running: 1, paused: 2, stopped: 3 }),
    images: () => 4,
    listeners: () => 0,
    config: () => ({
      dataRoot: "/data",
      debug: true,
      labels: ["a=b"],
      liveRestore: true,
      logDriver: "json-file",
      runtimes: ["runc"],
      defaultRuntime: "runc",
      insecureRegistries: ["r.example", "10.0.0.0/8"],
      mirrors: ["https://m.example/"],
      plainTcp: ["tcp://127.0.0.1:1"],
    }),
  });

describe("info", () => {
  test("counts, and shows the configuration", async () => {
    const info = (await make().info()) as Record<string, unknown>;
    expect(info).toMatchObject({
      Containers: 6,
      ContainersRunning: 1,
      Images: 4,
      DockerRootDir: "/data",
      Labels: ["a=b"],
      Debug: true,
    });
    expect(info.RegistryConfig).toMatchObject({
      InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8", "10.0.0.0/8"],
      IndexConfigs: { "r.example": { Secure: false }, "docker.io": { Mirrors: ["https://m.example/"] } },
    });
    expect(info.Warnings).toContainEqual(expect.stringContaining("tcp://127.0.0.1:1 without encryption"));
  });
  test("the engine's id stays", () => {
    expect(make().id).toBe(make().id);
    expect(readFileSync(join(folder, "engine-id"), "utf8").trim()).toBe(make().id);
  });
});

test("the operating system's name is os-release's", () => {
  expect(operatingSystem('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\n')).toEqual({
    name: "Debian GNU/Linux 12 (bookworm)",
    version: "12",
  });
  expect(operatingSystem("")).toEqual({ name: "Linux", version: "" });
});

describe("networks", () => {
  const networks = createNetworks("engine", new Date(0));
  test("there are none and host", () => {
    expect(networks.list({})).toMatchObject([
      { Name: "none", Driver: "null" },
      { Name: "host", Driver: "host" },
    ]);
    expect(networks.list({ driver: ["host"] })).toHaveLength(1);
    expect(networks.list({ name: ["on"] })).toMatchObject([{ Name: "none" }]);
    expect(networks.list({ dangling: ["true"] })).toEqual([]);
    expect(() => networks.list({ x: ["y"] })).toThrow("invalid filter 'x'");
  });
  test("are found by name, id and the start of an id", () => {
    const { Id } = networks.inspect("host") as { Id: string };
    expect(networks.inspect(Id.slice(0, 12))).toMatchObject({ Name: "host" });
    expect(() => networks.inspect("nosuch")).toThrow("network nosuch not found");
  });
});
