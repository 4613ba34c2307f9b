import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
      firewallBackend: "nftables",
      networkWarnings: [],
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
