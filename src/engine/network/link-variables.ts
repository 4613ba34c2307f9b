/**
 * What links of the old kind once put into the environment. Docker 29 does so only where the daemon's own environment
 * asks for it.
 * @source moby, daemon/links/links.go
 */

export interface LinkTarget {
  address: string;
  /** `/PARENT/ALIAS` */
  name: string;
  /** The target's own variables. */
  env: readonly string[];
  /** `80/tcp`, as its configuration exposes them. */
  ports: readonly string[];
}

interface Port {
  number: number;
  protocol: string;
}

/** TCP's first, then by protocol and number. */
function byProtocol(a: Port, b: Port): number {
  if (a.protocol === b.protocol) return a.number - b.number;
  if (a.protocol === "tcp") return -1;
  if (b.protocol === "tcp") return 1;
  return a.protocol < b.protocol ? -1 : 1;
}

/** Runs of consecutive ports of one protocol. */
function runsOf(ports: readonly Port[]): Port[][] {
  const runs: Port[][] = [];
  for (const port of ports) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last?.protocol === port.protocol && last.number + 1 === port.number) run.push(port);
    else runs.push([port]);
  }
  return runs;
}

export function linkVariables({ address, name, env, ports }: LinkTarget): string[] {
  const alias = name
    .slice(name.lastIndexOf("/") + 1)
    .toUpperCase()
    .replaceAll("-", "_");
  const sorted = ports
    .map((port): Port => {
      const [number, protocol = "tcp"] = port.split("/");
      return { number: Number(number), protocol };
    })
    .sort(byProtocol);
  const prefixOf = ({ number, protocol }: Port) => `${alias}_PORT_${number}_${protocol.toUpperCase()}`;
  const url = ({ number, protocol }: Port) => `${protocol}://${address}:${number}`;
  const variables = sorted[0] ? [`${alias}_PORT=${url(sorted[0])}`] : [];
  for (const run of runsOf(sorted)) {
    for (const port of run) {
      const prefix = prefixOf(port);
      variables.push(
        `${prefix}=${url(port)}`,
        `${prefix}_ADDR=${address}`,
        `${prefix}_PORT=${port.number}`,
        `${prefix}_PROTO=${port.protocol}`,
      );
    }
    const [first, last] = [run[0]!, run.at(-1)!];
    if (first === last) continue;
    const prefix = prefixOf(first);
    variables.push(
      `${prefix}_START=${url(first)}`,
      `${prefix}_PORT_START=${first.number}`,
      `${prefix}_END=${url(last)}`,
      `${prefix}_PORT_END=${last.number}`,
    );
  }
  variables.push(`${alias}_NAME=${name}`);
  for (const entry of env) {
    // The image's, not the application's.
    if (!entry.includes("=") || /^(HOME|PATH)=/.test(entry)) continue;
    variables.push(`${alias}_ENV_${entry}`);
  }
  return variables;
}
