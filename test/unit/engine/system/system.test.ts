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
      firewall: { driver: "nftables+firewalld", details: [["ReloadedAt", "2026-01-02T03:04:05Z"]] },
      userlandProxy: true,
      addressPools: [{ base: "10.7.0.0/16", size: 24 }],
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
  test("shows the firewall with what it goes by, and the proxies without their passwords", async () => {
    const before = { ...process.env };
    Object.assign(process.env, { HTTP_PROXY: "http://me:secret@proxy:3128", no_proxy: "localhost" });
    try {
      expect(await make().info()).toMatchObject({
        FirewallBackend: {
          Driver: "nftables+firewalld",
          Info: [
            ["ReloadedAt", "2026-01-02T03:04:05Z"],
            ["EnableUserlandProxy", "true"],
            ["UserlandProxyPath", "ts-proxy"],
          ],
        },
        DefaultAddressPools: [{ Base: "10.7.0.0/16", Size: 24 }],
        HttpProxy: "http://xxxxx:xxxxx@proxy:3128",
        NoProxy: "localhost",
      });
    } finally {
      for (const name of ["HTTP_PROXY", "no_proxy"]) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
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
