import { expect, test } from "bun:test";
import { Conntrack } from "../../src/engine/network/firewall/connections.ts";
import { makeHosts } from "../support/hosts.ts";

test.each(["at once", "one by one, as older kernels want it", "with many others"])(
  "connections are forgotten by what they look like, %s",
  async (how) => {
    await using hosts = await makeHosts({ lan: ["engine", "remote"] });
    const { engine, remote } = hosts.host;
    // Connections are tracked where a rule asks for it.
    await engine.ok("nft", "add table ip t");
    await engine.ok("nft", "add chain ip t c { type filter hook output priority 0; }");
    await engine.ok("nft", "add rule ip t c ct state new accept");
    for (const port of [1001, 1002]) await engine.ok("bash", "-c", `echo x >/dev/udp/${remote.ipv4}/${port}`);
    const tracked = async () =>
      [
        ...(await engine.ok("cat", "/proc/net/nf_conntrack")).matchAll(
          /dst=192\.0\.2\.2 sport=\d+ dport=(100\d) /g,
        ),
      ].map(([, port]) => port);
    expect((await tracked()).sort()).toEqual(["1001", "1002"]);
    {
      using _ = engine.enter();
      using conntrack = new Conntrack();
      const some = {
        family: 4,
        original: { source: engine.ipv4, protocol: "udp", destinationPort: 1001 },
      } as const;
      const warnings: string[] = [];
      if (how === "at once") conntrack.forget([some], (message) => warnings.push(message));
      else if (how === "with many others") {
        const others = Array.from({ length: 50 }, (_, n) => ({
          family: 4 as const,
          original: { protocol: "udp" as const, destinationPort: 2000 + n },
        }));
        const gone = [{ family: 4 as const, reply: { source: "198.51.100.9" } }];
        conntrack.forget([...others, some, ...gone], (message) => warnings.push(message));
      } else conntrack.forgetOneByOne(some);
      expect(warnings).toEqual([]);
    }
    expect(await tracked()).toEqual(["1002"]);
  },
);
