import { describe, expect, test } from "bun:test";
import { parseSaved } from "../../../../../src/engine/network/firewall/iptables/programs.ts";
import {
  changeLines,
  foreignBridges,
  reconcileLines,
} from "../../../../../src/engine/network/firewall/iptables/reconcile.ts";
import { rulesOf } from "../../../../../src/engine/network/firewall/iptables/rules.ts";
import { FirewallState } from "../../../../../src/engine/network/firewall/state.ts";
import type { FirewallNetwork } from "../../../../../src/engine/network/types.ts";

const TAG = "tsd-01234567";
const network = (change: Partial<FirewallNetwork> = {}): FirewallNetwork => ({
  id: "n",
  bridge: "br0",
  internal: false,
  icc: true,
  trustedInterfaces: [],
  ipv4: { subnet: "172.18.0.0/16", gateway: "172.18.0.1", mode: "nat", masquerade: true },
  ...change,
});

function state(one: FirewallNetwork = network()): FirewallState {
  const made = new FirewallState({ four: true, six: true });
  made.replace(
    [one],
    [
      {
        id: "e",
        network: "n",
        ipv4: "172.18.0.2",
        ports: [
          { protocol: "tcp", containerPort: 80, hostIp: "0.0.0.0", hostPort: 8080 },
          { protocol: "tcp", containerPort: 80, hostIp: "127.0.0.1", hostPort: 8081 },
        ],
      },
    ],
  );
  return made;
}

const shown = (made: FirewallState, foreign: string[] = []): string[] =>
  rulesOf(made, 4, foreign).map(({ table, chain, words }) => `${table} ${chain} ${words.join(" ")}`);

describe("rules", () => {
  test("are Docker's, in its chains", () => {
    expect(shown(state())).toEqual([
      "filter DOCKER-FORWARD -j DOCKER-CT",
      "filter DOCKER-FORWARD -j DOCKER-INTERNAL",
      "filter DOCKER-FORWARD -j DOCKER-BRIDGE",
      "nat PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
      "nat OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
      "filter DOCKER-CT -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      "filter DOCKER-BRIDGE -o br0 -j DOCKER",
      "filter DOCKER-FORWARD -i br0 -j ACCEPT",
      "filter DOCKER ! -i br0 -o br0 -j DROP",
      "nat POSTROUTING -s 172.18.0.0/16 ! -o br0 -j MASQUERADE",
      "raw PREROUTING -d 172.18.0.2 ! -i br0 -j DROP",
      "filter DOCKER -d 172.18.0.2 ! -i br0 -o br0 -p tcp --dport 80 -j ACCEPT",
      "nat DOCKER ! -i br0 -p tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:80",
      "nat DOCKER -d 127.0.0.1 ! -i br0 -p tcp --dport 8081 -j DNAT --to-destination 172.18.0.2:80",
      "raw PREROUTING -d 127.0.0.1 ! -i lo -p tcp --dport 8081 -j DROP",
    ]);
  });

  test("of an internal network drop what comes and goes, and publish nothing", () => {
    const rules = shown(state(network({ internal: true })));
    expect(rules).toContain("filter DOCKER-INTERNAL -i br0 ! -d 172.18.0.0/16 -j DROP");
    expect(rules).toContain("filter DOCKER-INTERNAL -o br0 ! -s 172.18.0.0/16 -j DROP");
    expect(rules.join()).not.toContain("DNAT");
  });

  test("leave to dockerd what goes to its bridges", () => {
    expect(shown(state(), ["docker0"])).toContain("filter DOCKER-FORWARD -i br0 -o docker0 -j RETURN");
  });

  test("of routed containers open ports and ICMP, and change no address", () => {
    const routed = { ...network().ipv4!, mode: "routed" as const };
    const rules = shown(state(network({ ipv4: routed })));
    expect(rules).toContain("filter DOCKER -o br0 -p icmp -j ACCEPT");
    expect(rules.filter((rule) => /NAT|MASQUERADE|^raw/.test(rule.replace(/^nat /, "")))).toEqual([]);
  });

  test("there are none without a network of the family", () => {
    expect(rulesOf(state(), 6, [])).toEqual([]);
  });
});

describe("what is there and what is wanted", () => {
  const empty = parseSaved(":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
  const wanted = rulesOf(state(), 4, []);

  /** As iptables-save would show it after the lines. */
  function after(lines: readonly string[], before = empty) {
    const saved = { chains: new Map(before.chains), rules: [...before.rules] };
    for (const line of lines) {
      const [, what, chain, rest] = /^(-[NIADX]) (\S+)(.*)$/.exec(line)!;
      const text = `-A ${chain}${rest!.replace(/^ \d+/, "")}`;
      if (what === "-N") saved.chains.set(chain!, "-");
      else if (what === "-X") saved.chains.delete(chain!);
      else if (what === "-A") saved.rules.push({ chain: chain!, text });
      else if (what === "-D")
        saved.rules.splice(
          saved.rules.findIndex((rule) => rule.text === text),
          1,
        );
      else {
        const at = Number(/^ (\d+)/.exec(rest!)?.[1] ?? 1);
        const places = saved.rules.flatMap((rule, n) => (rule.chain === chain ? [n] : []));
        saved.rules.splice(places[at - 1] ?? saved.rules.length, 0, { chain: chain!, text });
      }
    }
    return saved;
  }

  test("chains are made, the users' chain is asked first, and then nothing is left to do", () => {
    const lines = reconcileLines(TAG, "filter", empty, wanted);
    expect(lines.filter((line) => line.startsWith("-N"))).toContain("-N DOCKER-USER");
    const made = after(lines);
    const forward = made.rules
      .filter(({ chain }) => chain === "FORWARD")
      .map(({ text }) => text.split(" ").at(-1));
    expect(forward).toEqual(["DOCKER-USER", "DOCKER-FORWARD"]);
    expect(reconcileLines(TAG, "filter", made, wanted)).toEqual([]);
  });

  test("dockerd's rules stay, its jumps are used, and ours go again without them", () => {
    const theirs = parseSaved(
      [
        ...[":FORWARD DROP [0:0]", ":DOCKER - [0:0]", ":DOCKER-USER - [0:0]"],
        "-A FORWARD -j DOCKER-USER",
        "-A FORWARD -o docker0 -j DOCKER",
        "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
        "-A DOCKER-USER -j RETURN",
      ].join("\n"),
    );
    expect(foreignBridges(TAG, theirs)).toEqual(["docker0"]);
    const made = after(reconcileLines(TAG, "filter", theirs, wanted), theirs);
    const forward = made.rules.filter(({ chain }) => chain === "FORWARD").map(({ text }) => text);
    expect(forward[0]).toBe("-A FORWARD -j DOCKER-USER");
    expect(forward[1]).toEndWith("-j DOCKER-FORWARD");
    expect(after(reconcileLines(TAG, "filter", made, []), made)).toEqual(theirs);
  });

  test("a rule that somebody took away comes back with the others of its table", () => {
    const made = after(reconcileLines(TAG, "nat", empty, wanted));
    made.rules.splice(1, 1);
    const lines = reconcileLines(TAG, "nat", made, wanted);
    expect(lines.length).toBeGreaterThan(0);
    expect(reconcileLines(TAG, "nat", after(lines, made), wanted)).toEqual([]);
  });

  test("one port more is a few lines, and what it must precede comes after", () => {
    const [rule] = wanted.filter(({ first, chain }) => first && chain === "DOCKER");
    const lines = changeLines(TAG, [], [rule!]).get("filter")!;
    expect(lines).toHaveLength(1);
    expect(lines[0]).toStartWith("-I DOCKER -m comment --comment");
  });
});
