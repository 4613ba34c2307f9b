import { describe, expect, test } from "bun:test";
import { EngineError } from "../../../../../src/engine/errors.ts";
import { PortAllocator } from "../../../../../src/engine/network/ports/allocator.ts";
import { HostPorts } from "../../../../../src/engine/network/ports/host-ports.ts";
import { ephemeralRange, reservedPorts } from "../../../../../src/engine/network/ports/ranges.ts";
import type { EndpointRecord, HeldPort, PortRequest } from "../../../../../src/engine/network/types.ts";

const BOTH = { four: true, six: true };
const FOUR = { four: true, six: false };

/** `"8000-8010:80/udp"` with the host's address before it; `::` may be, since the last two parts are ports. */
function ask(text: string): PortRequest {
  const [rest, protocol = "tcp"] = text.split("/") as [string, PortRequest["protocol"]?];
  const match = /^(?:(.*):)?([\d-]*):(\d+)$/.exec(rest)!;
  const [start = 0, end = start] = match[2] === "" ? [] : match[2]!.split("-").map(Number);
  return {
    protocol,
    containerPort: Number(match[3]),
    hostIp: match[1] ?? "",
    hostPortStart: start,
    hostPortEnd: end,
  };
}

const endpoint = (id: string, six = true): EndpointRecord =>
  ({ id, ipv4: "172.18.0.2/16", ...(six && { ipv6: "fd00::2/64" }), ports: [] }) as unknown as EndpointRecord;

/** A shim on whose host other programs have bound ports. */
function ports(used: number[] = [], { listens6 = true, proxyAll = { four: false, six: false } } = {}) {
  const held = new Map<string, HeldPort[]>();
  const shim = {
    async holdPorts(id: string, list: HeldPort[]) {
      const bad = list.find(({ hostPort }) => used.includes(hostPort));
      if (bad) {
        const where = `${bad.hostIp}:${bad.hostPort}/${bad.protocol}`;
        throw new EngineError("internal", `failed to bind host port ${where}: address already in use`);
      }
      held.set(id, list);
    },
  };
  const allocator = new PortAllocator({ start: 40_000, end: 40_004 }, new Set([40_002]));
  return { held, service: new HostPorts({ shim, allocator, proxyAll, listens6: () => listens6 }) };
}

const shown = (list: { hostIp: string; hostPort: number; containerPort: number }[]): string[] =>
  list.map(({ hostIp, hostPort, containerPort }) => `${hostIp} ${hostPort} ${containerPort}`);

describe("publishing", () => {
  test("without an address is on both families, at the same port", async () => {
    const { service } = ports();
    const list = await service.publish(endpoint("a"), [ask(":80"), ask("8080:81")], BOTH);
    expect(shown(list)).toEqual(["0.0.0.0 8080 81", ":: 8080 81", "0.0.0.0 40000 80", ":: 40000 80"]);
  });

  test("goes to ts-proxy where the kernel cannot: IPv6's loopback, and from IPv6 to IPv4", async () => {
    const { service, held } = ports();
    await service.publish(endpoint("a"), [ask("80:80"), ask("2001:db8::1:81:81"), ask("::1:82:82")], BOTH);
    expect(held.get("a")!.map(({ hostIp, hostPort, to }) => `${hostIp} ${hostPort} ${to?.ip}`)).toEqual([
      "0.0.0.0 80 undefined",
      ":: 80 fd00::2",
      "2001:db8::1 81 undefined",
      "::1 82 fd00::2",
    ]);
    await service.publish(endpoint("b", false), [ask("2001:db8::1:83:83")], BOTH);
    expect(held.get("b")![0]!.to).toEqual({ ip: "172.18.0.2", port: 83 });
  });

  test("goes there of one family where the firewall knows the other alone", async () => {
    const { service, held } = ports([], { proxyAll: { four: false, six: true } });
    await service.publish(endpoint("a"), [ask("80:80"), ask("2001:db8::1:81:81")], BOTH);
    expect(held.get("a")!.map(({ hostIp, to }) => `${hostIp} ${to?.ip}`)).toEqual([
      "0.0.0.0 undefined",
      ":: fd00::2",
      "2001:db8::1 fd00::2",
    ]);
  });

  test("with --userland-proxy goes there always", async () => {
    const { service, held } = ports([], { proxyAll: { four: true, six: true } });
    await service.publish(endpoint("a"), [ask("80:8080")], FOUR);
    expect(held.get("a")).toEqual([
      { protocol: "tcp", hostIp: "0.0.0.0", hostPort: 80, to: { ip: "172.18.0.2", port: 8080 } },
    ]);
  });

  test("leaves IPv6 out on a host that has none", async () => {
    const { service } = ports([], { listens6: false });
    expect(shown(await service.publish(endpoint("a"), [ask("80:80")], BOTH))).toEqual(["0.0.0.0 80 80"]);
  });

  test("of a port that another container has fails in Docker's words, and takes nothing", async () => {
    const { service, held } = ports();
    await service.publish(endpoint("a"), [ask("80:80")], FOUR);
    const failing = service.publish(endpoint("b"), [ask("81:81"), ask("192.0.2.1:80:80")], FOUR);
    await expect(failing).rejects.toThrow("Bind for 0.0.0.0:80 failed: port is already allocated");
    expect(held.has("b")).toBe(false);
    expect(shown(await service.publish(endpoint("c"), [ask("81:81")], FOUR))).toEqual(["0.0.0.0 81 81"]);
  });

  test("of one address blocks any address, and the other way round; not other protocols or addresses", async () => {
    const { service } = ports();
    await service.publish(endpoint("a"), [ask("192.0.2.1:80:80")], FOUR);
    await expect(service.publish(endpoint("b"), [ask("80:80")], FOUR)).rejects.toThrow(
      "Bind for 192.0.2.1:80 failed: port is already allocated",
    );
    await service.publish(endpoint("c"), [ask("80:80/udp"), ask("192.0.2.2:80:80")], FOUR);
  });

  test("of a port that another program has fails with the kernel's reason", async () => {
    const { service } = ports([80]);
    await expect(service.publish(endpoint("a"), [ask("80:80")], FOUR)).rejects.toThrow(
      "failed to bind host port 0.0.0.0:80/tcp: address already in use",
    );
  });

  test("in a range or anywhere goes on to the next port, past those that are taken or reserved", async () => {
    const { service } = ports([9000, 40_000, 40_001]);
    const list = await service.publish(endpoint("a"), [ask(":80"), ask("9000-9002:81")], FOUR);
    expect(shown(list)).toEqual(["0.0.0.0 9001 81", "0.0.0.0 40003 80"]);
  });

  test("says so when a range has none left", async () => {
    const { service } = ports();
    await service.publish(endpoint("a"), [ask("9000-9001:80")], FOUR);
    await service.publish(endpoint("b"), [ask("9000-9001:80")], FOUR);
    const third = service.publish(endpoint("c"), [ask("9000-9001:80")], FOUR);
    await expect(third).rejects.toThrow("all ports are allocated");
  });

  test("exact ports are taken before ranges that hold them", async () => {
    const { service } = ports();
    const list = await service.publish(endpoint("a"), [ask("9000-9001:80"), ask("9000:81")], FOUR);
    expect(shown(list)).toEqual(["0.0.0.0 9000 81", "0.0.0.0 9001 80"]);
  });
});

describe("changing what is published", () => {
  test("keeps what stays, gives back what goes, and can take that again at once", async () => {
    const { service, held } = ports();
    const a = endpoint("a");
    const first = await service.publish(a, [ask("80:80"), ask("81:81")], FOUR);
    const kept = first.filter(({ hostPort }) => hostPort === 80);
    expect(shown(await service.publish(a, [ask("81:8081")], FOUR, kept))).toEqual(["0.0.0.0 81 8081"]);
    expect(held.get("a")!.map(({ hostPort }) => hostPort)).toEqual([80, 81]);
  });

  test("changes nothing when it fails", async () => {
    const { service, held } = ports([99]);
    const a = endpoint("a");
    await service.publish(a, [ask("80:80")], FOUR);
    await expect(service.publish(a, [ask("81:81"), ask("99:99")], FOUR)).rejects.toThrow(
      "address already in use",
    );
    expect(held.get("a")!.map(({ hostPort }) => hostPort)).toEqual([80]);
    await expect(service.publish(endpoint("b"), [ask("80:80")], FOUR)).rejects.toThrow("already allocated");
    await service.publish(endpoint("b"), [ask("81:81")], FOUR);
  });

  test("released ports are free, claimed ones are not", async () => {
    const { service, held } = ports();
    const a = endpoint("a");
    await service.publish(a, [ask("80:80")], FOUR);
    await service.release(a);
    expect(held.get("a")).toEqual([]);
    const b = endpoint("b");
    await service.claim({
      ...b,
      ports: [{ protocol: "tcp", containerPort: 1, hostIp: "0.0.0.0", hostPort: 80 }],
    });
    expect(held.get("b")!.map(({ hostPort }) => hostPort)).toEqual([80]);
    await expect(service.publish(a, [ask("80:80")], FOUR)).rejects.toThrow("already allocated");
  });
});

test("the kernel says which ports are given out, and which are not", () => {
  const read = (name: string) => (name === "ip_local_port_range" ? "32768\t60999\n" : "40000,50000-50002\n");
  expect(ephemeralRange(read)).toEqual({ start: 32_768, end: 60_999 });
  expect(ephemeralRange(() => "")).toEqual({ start: 49_153, end: 65_535 });
  expect([...reservedPorts(read)]).toEqual([40_000, 50_000, 50_001, 50_002]);
});
