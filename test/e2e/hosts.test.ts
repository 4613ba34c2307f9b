import { expect, test } from "bun:test";
import { makeHosts } from "../support/hosts.ts";

test("hosts of one lan reach each other, those of different lans do not, and none is left", async () => {
  const before = (await Bun.$`ip netns list`.text()).trim();
  {
    await using hosts = await makeHosts({ lan: ["engine", "remote"], dmz: ["engine", "other"] });
    const { engine, remote, other } = hosts.host;
    expect([engine.ipv4, remote.ipv6, other.ipv4]).toEqual(["192.0.2.1", "2001:db8::2", "198.51.100.2"]);
    await using capture = await remote.capture("lan", "icmp or icmp6");
    await engine.ok("busybox", "ping", "-c1", "-W2", remote.ipv4);
    await engine.ok("busybox", "ping", "-c1", "-W2", remote.ipv6);
    await engine.ok("busybox", "ping", "-c1", "-W2", other.ipv6);
    await capture.saw(/192\.0\.2\.1 > 192\.0\.2\.2: ICMP echo request/);
    expect((await remote.run("busybox", "ping", "-c1", "-W1", other.ipv4)).status).not.toBe(0);
    expect((await engine.ip("addr", "show", "dev", "dmz"))[0]!.ifname).toBe("dmz");
  }
  expect((await Bun.$`ip netns list`.text()).trim()).toBe(before);
});
