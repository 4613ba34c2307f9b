import { expect, test } from "bun:test";
import type { Container } from "../../../../src/engine/container/container.ts";
import { portsView, requestsOf } from "../../../../src/engine/network/publish.ts";
import type { EndpointRecord, NetworkRecord } from "../../../../src/engine/network/types.ts";

const container = (
  PortBindings: object,
  { exposed = [] as string[], PublishAllPorts = false } = {},
): Container =>
  ({
    record: {
      config: { ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])) },
      hostConfig: { PortBindings, PublishAllPorts },
    },
  }) as unknown as Container;

const any = { hostIp: "", hostPortStart: 0, hostPortEnd: 0 };

test("each binding is a request, with its range or none", () => {
  const asked = container({
    "80/tcp": [
      { HostIp: "", HostPort: "8080" },
      { HostIp: "::1", HostPort: "9000-9010" },
    ],
    "53/udp": [{ HostIp: "", HostPort: "" }],
    "90": null,
  });
  expect(requestsOf(asked)).toEqual([
    { ...any, protocol: "tcp", containerPort: 80, hostPortStart: 8080, hostPortEnd: 8080 },
    { protocol: "tcp", containerPort: 80, hostIp: "::1", hostPortStart: 9000, hostPortEnd: 9010 },
    { ...any, protocol: "udp", containerPort: 53 },
  ]);
});

test("-P publishes all that is exposed, and what is bound to nothing", () => {
  const asked = container({ "90/tcp": [] }, { exposed: ["80/tcp", "53/udp"], PublishAllPorts: true });
  expect(requestsOf(asked)).toEqual([
    { ...any, protocol: "tcp", containerPort: 90 },
    { ...any, protocol: "tcp", containerPort: 80 },
    { ...any, protocol: "udp", containerPort: 53 },
  ]);
});

test("a host port that is none is refused", () => {
  expect(() => requestsOf(container({ "80/tcp": [{ HostIp: "", HostPort: "x" }] }))).toThrow(
    "error parsing HostPort value(x)",
  );
});

test("inspect shows what is bound, and null for what is exposed only", () => {
  const one = container({ "80/tcp": [{ HostIp: "", HostPort: "8080" }] }, { exposed: ["81/tcp"] });
  const bridge = { driver: "bridge", internal: false } as NetworkRecord;
  const endpoint = {
    ports: [{ protocol: "tcp", containerPort: 80, hostIp: "0.0.0.0", hostPort: 8080 }],
  } as EndpointRecord;
  expect(portsView(one, [{ network: bridge, endpoint }])).toEqual({
    "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }],
    "81/tcp": null,
  });
  expect(portsView(one, [{ network: { ...bridge, internal: true }, endpoint }])).toEqual({});
});
