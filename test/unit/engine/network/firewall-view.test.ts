import { expect, test } from "bun:test";
import { firewallEndpoint, firewallNetwork } from "../../../../src/engine/network/firewall-view.ts";
import type { EndpointRecord, NetworkRecord } from "../../../../src/engine/network/types.ts";

const network = {
  id: "n",
  link: "br-n",
  internal: false,
  options: {},
  ipam: {
    pools: [
      { subnet: "10.1.0.0/24", gateway: "10.1.0.1" },
      { subnet: "fd01::/64", gateway: "fd01::1" },
    ],
  },
} as unknown as NetworkRecord;
const endpoint = {
  id: "e",
  network: "n",
  hostLink: "veth1",
  ipv4: "10.1.0.2/24",
  ipv6: "fd01::2/64",
  ports: ["0.0.0.0", "::"].map((hostIp) => ({ protocol: "tcp", containerPort: 80, hostIp, hostPort: 8080 })),
} as unknown as EndpointRecord;
const links = ["10.1.0.3", "fd01::3"].map((from) => ({ from, protocol: "tcp" as const, port: 80 }));

test("with --ip6tables=false the firewall is told of IPv4 alone", () => {
  expect(firewallNetwork(network, { rules6: true })).toMatchObject({
    ipv4: { subnet: "10.1.0.0/24" },
    ipv6: { subnet: "fd01::/64" },
  });
  expect(firewallEndpoint(endpoint, { rules6: true }, links)).toMatchObject({ ipv6: "fd01::2", links });
  const told = [
    firewallNetwork(network, { rules6: false }),
    firewallEndpoint(endpoint, { rules6: false }, links),
  ];
  expect(told).toMatchObject([{ ipv4: { gateway: "10.1.0.1" } }, { ipv4: "10.1.0.2", links: [links[0]] }]);
  expect(JSON.stringify(told)).not.toMatch(/fd01|::/);
});
