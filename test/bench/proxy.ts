/** ts-proxy beside docker-proxy, both for one port of a host to another host, and the resolvers of both daemons. */
import { closeSync, openSync, readFileSync } from "node:fs";
import { proportionalMemory, until } from "../support/daemon.ts";
import { type Host, makeHosts } from "../support/hosts.ts";
import { rounds, rows } from "./measure.ts";
import { LOAD, type Side, withSides } from "./sides.ts";

const REQUESTS = 3000;
const QUERIES = 20_000;
/** The kernel counts a process's time in these. */
const TICK_MS = 10;

/** User and system time of a process, in milliseconds. */
function spent(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** `tsd`: the built file. */
export async function proxies(tsd: string): Promise<void> {
  await using hosts = await makeHosts({ lan: ["host", "client", "box"] });
  const { host, client, box } = hosts.host;
  const children: Bun.Subprocess[] = [];
  const nothing = openSync("/dev/null", "r+");
  const spawn = (where: Host, ...words: string[]): Bun.Subprocess => {
    // docker-proxy closes fd 3, whatever it is.
    const child = Bun.spawn([...where.under, ...words], { stdio: ["ignore", "ignore", "inherit", nothing] });
    children.push(child);
    return child;
  };
  try {
    spawn(box, "iperf3", "-s", "-p", "81");
    spawn(box, process.execPath, LOAD, "http", "0.0.0.0", "80");
    const start = (program: string[], at: number): Record<"stream" | "http", Bun.Subprocess> => {
      const forward = (from: number, to: number) => {
        const ports = ["-host-port", String(from), "-container-ip", box.ipv4, "-container-port", String(to)];
        return spawn(host, ...program, "-proto", "tcp", "-host-ip", host.ipv4, ...ports);
      };
      return { stream: forward(at + 1, 81), http: forward(at, 80) };
    };
    const peer = start(["docker-proxy"], 8000);
    const ours = start([tsd, "ts-proxy"], 9000);
    const listening = async () => (await host.ok("ss", "-Htln")).split("\n").length === 4;
    await until(listening, "four proxies");
    await until(async () => (await box.ok("ss", "-Htln")).split("\n").length === 2, "two servers");

    const times = { peer: [] as number[], ours: [] as number[] };
    const stream = (at: number, process: Bun.Subprocess, into: number[]) => async () => {
      const before = spent(process.pid);
      const words = ["iperf3", "-c", host.ipv4, "-p", String(at), "-n", "1G", "-J"];
      const { end } = JSON.parse(await client.ok(...words));
      into.push(spent(process.pid) - before);
      return end.sum_received.seconds * 1000;
    };
    const streams = await rounds(5, {
      peer: stream(8001, peer.stream, times.peer),
      ours: stream(9001, ours.stream, times.ours),
    });
    rows.push({
      what: "ts-proxy / docker-proxy: 1 GiB on one connection",
      unit: "ms",
      budget: 1,
      ...streams,
    });
    processorTime("its processor time", times);

    const short = { peer: [] as number[], ours: [] as number[] };
    const requests = (at: number, process: Bun.Subprocess, into: number[]) => async () => {
      const before = spent(process.pid);
      const words = [LOAD, "requests", host.ipv4, String(at), String(REQUESTS)];
      const took = Number(await client.ok(globalThis.process.execPath, ...words));
      into.push(spent(process.pid) - before);
      return took;
    };
    const requested = await rounds(5, {
      peer: requests(8000, peer.http, short.peer),
      ours: requests(9000, ours.http, short.ours),
    });
    rows.push({ what: `${REQUESTS} HTTP requests, each on its own`, unit: "ms", budget: 1, ...requested });
    processorTime("their processor time", short);
    rows.push({
      what: "memory of a proxy after that",
      peer: proportionalMemory(peer.http.pid)!,
      ours: proportionalMemory(ours.http.pid)!,
      unit: "KiB",
      budget: 1 / 10,
    });
  } finally {
    for (const child of children) {
      child.kill();
      await child.exited;
    }
    closeSync(nothing);
  }
}

/** Of all rounds together: one alone has few ticks. */
function processorTime(what: string, times: Record<"peer" | "ours", number[]>): void {
  const sum = (values: number[]) => values.reduce((total, value) => total + value);
  rows.push({ what, unit: "ms", budget: 1, peer: sum(times.peer), ours: sum(times.ours) });
}

export async function names(): Promise<void> {
  await withSides(async (sides) => {
    const asker = async (side: Side): Promise<() => Promise<number>> => {
      await side.docker("network", "create", "front");
      await side.run("web", "--network", "front");
      const pid = await side.docker("inspect", "-f", "{{.State.Pid}}", "web");
      const words = [LOAD, "names", "127.0.0.11", "53", String(QUERIES)];
      return async () => {
        const child = Bun.spawn(["nsenter", `--net=/proc/${pid}/ns/net`, process.execPath, ...words]);
        return Number(await new Response(child.stdout).text());
      };
    };
    const asked = await rounds(5, { peer: await asker(sides.peer), ours: await asker(sides.ours) });
    rows.push({ what: `${QUERIES} names asked of 127.0.0.11`, unit: "ms", budget: 1, ...asked });
  });
}
