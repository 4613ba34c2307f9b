/** Whether the 1,000th network, and the 1,000th endpoint, cost what the 10th did. */
import { loadBusybox } from "../support/busybox.ts";
import { type Daemon, until } from "../support/daemon.ts";
import { makeHosts } from "../support/hosts.ts";
import { median, rows } from "./measure.ts";

const MANY = 1000;
const FEW = 10;
/** One alone tells little: so many around the 10th, and before the 1,000th, are asked with it. */
const AROUND = 19;
/** Before each measurement: the kernel and the daemon are still at work on what was made at once. */
const SETTLE_MS = 5000;
/** What is made at once, where nothing is measured. */
const AT_ONCE = 8;
/** Connections of one measurement, and what lies between them: what else the machine does meanwhile shall hit only some. */
const CONNECTIONS = 41;
const BETWEEN_MS = 100;
const POOL = ["--default-address-pool", "base=10.0.0.0/8,size=24"];

async function post(daemon: Daemon, path: string, body: unknown = {}): Promise<void> {
  const init = {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  };
  const answer = await daemon.request(path, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${answer.status}: ${text}`);
}

async function timed(action: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await action();
  return performance.now() - begin;
}

/** Makes 1,000, the first twenty and the last nineteen alone; the medians of those around the 10th and the 1,000th. */
async function make(one: (n: number) => Promise<void>): Promise<{ peer: number; ours: number }> {
  const alone = async (last: number) => {
    await Bun.sleep(SETTLE_MS);
    const times: number[] = [];
    for (let n = last - AROUND + 1; n <= last; n++) times.push(await timed(() => one(n)));
    return median(times);
  };
  await one(1);
  const peer = await alone(AROUND + 1);
  await each(AROUND + 2, MANY - AROUND, one);
  return { peer, ours: await alone(MANY) };
}

async function each(first: number, last: number, one: (n: number) => Promise<void>): Promise<void> {
  let next = first;
  const row = async () => {
    while (next <= last) await one(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, row));
}

export async function manyNetworks(): Promise<void> {
  await networksMade();
  await endpointsMade();
}

async function networksMade(): Promise<void> {
  await using hosts = await makeHosts({ lan: ["ours"] });
  await using daemon = await hosts.host.ours.daemon({ args: POOL });
  // What the daemon compiles with the first ones is not what is measured.
  for (let n = 0; n < 10; n++) {
    await post(daemon, "/networks/create", { Name: `warm${n}` });
    await daemon.request(`/networks/warm${n}`, { method: "DELETE" });
  }
  const made = await make((n) => post(daemon, "/networks/create", { Name: `net${n}` }));
  rows.push({ what: `a network, the ${MANY}th / the ${FEW}th`, unit: "ms", budget: 1.5, ...made });
}

async function endpointsMade(): Promise<void> {
  await using hosts = await makeHosts({ lan: ["ours"] });
  await using daemon = await hosts.host.ours.daemon({ args: POOL });
  loadBusybox(daemon);
  // A bridge has at most 1,024 ports.
  await post(daemon, "/networks/create", { Name: "wide", IPAM: { Config: [{ Subnet: "172.30.0.0/16" }] } });
  const create = (name: string) =>
    post(daemon, `/containers/create?name=${name}`, {
      Image: "busybox",
      Cmd: ["sleep", "3600"],
      HostConfig: { NetworkMode: "wide" },
    });
  await create("probe");
  await post(daemon, "/containers/probe/start");
  await post(daemon, "/networks/create", { Name: "other" });
  await post(daemon, "/networks/other/connect", { Container: "probe" });
  await post(daemon, "/networks/wide/disconnect", { Container: "probe" });
  const connect = async (): Promise<number[]> => {
    await Bun.sleep(SETTLE_MS);
    const times: number[] = [];
    for (let n = 0; n < CONNECTIONS; n++) {
      await Bun.sleep(BETWEEN_MS);
      times.push(await timed(() => post(daemon, "/networks/wide/connect", { Container: "probe" })));
      await post(daemon, "/networks/wide/disconnect", { Container: "probe" });
    }
    return times;
  };
  const [few, many]: number[][] = [[], []];
  const one = async (n: number) => {
    if (n === FEW) few!.push(...(await connect()));
    if (n === MANY) many!.push(...(await connect()));
    await create(`box${n}`);
    await post(daemon, `/containers/box${n}/start`);
  };
  const made = await make(one);
  // Again when the others are gone: a machine is not always as fast as it was a minute ago, and the daemon has become faster.
  await each(FEW, MANY, async (n) => {
    await daemon.request(`/containers/box${n}?force=true`, { method: "DELETE" });
  });
  const veths = async () => (await hosts.host.ours.ip("link", "show", "type", "veth")).length;
  // Those of the lan, of the probe in the other network, and of the nine.
  await until(async () => (await veths()) <= FEW + 1, "the links to go", 120_000);
  few!.push(...(await connect()));
  rows.push({
    what: `an endpoint (\`docker network connect\`), the ${MANY}th / the ${FEW}th`,
    unit: "ms",
    budget: 1.5,
    peer: median(few!),
    ours: median(many!),
  });
  const what = `a container made and started with one, the ${MANY}th / the ${FEW}th`;
  rows.push({ what, unit: "ms", ...made });
}
