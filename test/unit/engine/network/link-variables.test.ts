import { expect, test } from "bun:test";
import { linkVariables } from "../../../../src/engine/network/link-variables.ts";

test("a port is an address, a number and a protocol; runs of them have an end", () => {
  const link = {
    address: "172.17.0.2",
    name: "/web/my-db",
    env: ["PATH=/bin", "HOME=/", "A=b=c", "EMPTY=", "UNSET"],
    ports: ["53/udp", "81/tcp", "80/tcp", "443/tcp", "54/udp"],
  };
  const each = (number: number, protocol: string) => [
    `MY_DB_PORT_${number}_${protocol.toUpperCase()}=${protocol}://172.17.0.2:${number}`,
    `MY_DB_PORT_${number}_${protocol.toUpperCase()}_ADDR=172.17.0.2`,
    `MY_DB_PORT_${number}_${protocol.toUpperCase()}_PORT=${number}`,
    `MY_DB_PORT_${number}_${protocol.toUpperCase()}_PROTO=${protocol}`,
  ];
  expect(linkVariables(link)).toEqual([
    "MY_DB_PORT=tcp://172.17.0.2:80",
    ...each(80, "tcp"),
    ...each(81, "tcp"),
    "MY_DB_PORT_80_TCP_START=tcp://172.17.0.2:80",
    "MY_DB_PORT_80_TCP_PORT_START=80",
    "MY_DB_PORT_80_TCP_END=tcp://172.17.0.2:81",
    "MY_DB_PORT_80_TCP_PORT_END=81",
    ...each(443, "tcp"),
    ...each(53, "udp"),
    ...each(54, "udp"),
    "MY_DB_PORT_53_UDP_START=udp://172.17.0.2:53",
    "MY_DB_PORT_53_UDP_PORT_START=53",
    "MY_DB_PORT_53_UDP_END=udp://172.17.0.2:54",
    "MY_DB_PORT_53_UDP_PORT_END=54",
    "MY_DB_NAME=/web/my-db",
    "MY_DB_ENV_A=b=c",
    "MY_DB_ENV_EMPTY=",
  ]);
});

test("without ports there is the name", () => {
  expect(linkVariables({ address: "", name: "/a/b", env: [], ports: [] })).toEqual(["B_NAME=/a/b"]);
});
