/** Published ports. What serves in the containers' networks is the same program for both sides. */
import { readFileSync } from "node:fs";
import type { Host } from "../support/hosts.ts";
import { rounds, rows } from "./measure.ts";
import { family, stackMemory, sumOfMemory } from "./memory.ts";
import { LOAD, type Side, withSides } from "./sides.ts";

const REQUESTS = 3000;
/** Ports of one container, for the memory of one. */
const SOME = 20;
/**
 * dockerd starts iptables several times for each port, and iptables reads all that is there: 500 take 10 s of processor
 * time, 1,000 30 s, 1,500 a minute, and as much to be removed. Its figures are those without docker-proxies: it does
 * better than it would.
 */
const MANY = 2000;
const FIRST = 10_000;
/** What "does not grow" is held to, because two measurements of the same are not the same. */
const SAME = 1.25;
/** "At least as fast": both sides' packets go nearly the same way through the kernel, so noise alone may decide. */
const EQUAL = 1;

/** Milliseconds of one connection. */
const stream = (from: Host, address: string) => async (): Promise<number> => {
  const { end } = JSON.parse(await from.ok("iperf3", "-c", address, "-p", "5201", "-n", "2G", "-J"));
  return end.sum_received.seconds * 1000;
};

const requests = (from: Host, address: string, port: number) => async (): Promise<number> =>
  Number(await from.ok(process.execPath, LOAD, "requests", address, String(port), String(REQUESTS)));

export async function ports(): Promise<void> {
  await withSides(async ({ peer, ours }, client) => {
    await memory(peer, ours);
    await traffic(peer, ours, client);
  });
}

/** Each side twice, with one port and with many, so that these are measured in turn, too. */
export async function manyPorts(): Promise<void> {
  const withFlags = (use: Parameters<typeof withSides>[0]) => withSides(use, ["--userland-proxy=false"]);
  await withFlags((few, fewClient) =>
    withFlags(async (many, manyClient) => {
      await manyBesideFew({ ...few, client: fewClient }, { ...many, client: manyClient });
      // dockerd takes rules away as slowly as it makes them; what is not there is quickly taken away.
      for (const words of [["-t", "nat"], []]) await many.peer.host.ok("iptables", "-w", ...words, "-F");
    }),
  );
}

const isDockerProxy = (pid: number) => readFileSync(`/proc/${pid}/comm`, "utf8") === "docker-proxy\n";

/** dockerd's: of its docker-proxies alone. Ours: all that has grown, a container's keeper too. */
async function memory(peer: Side, ours: Side): Promise<void> {
  const whole = async () => {
    // It gives back what it will.
    await Bun.sleep(5000);
    return stackMemory(ours.engine.pid, ours.engine.folder);
  };
  const published = ["-p", `${FIRST}-${FIRST + SOME - 1}:${FIRST}-${FIRST + SOME - 1}`];
  // With the first port the proxy begins, which is one for all.
  await ours.run("first", "-p", "9000:80");
  // What a daemon compiles the first time is no port's.
  await ours.run("some", ...published);
  await ours.docker("rm", "-f", "some");
  const before = await whole();
  for (const side of [peer, ours]) await side.run("some", ...published);
  const after = await whole();
  const proxies = family(peer.engine.pid, peer.engine.folder).filter(isDockerProxy);
  rows.push({
    what: `memory of one of ${SOME} published ports`,
    unit: "KiB",
    budget: 1 / 10,
    peer: sumOfMemory(proxies) / SOME,
    ours: (after - before) / SOME,
  });
  await ours.docker("rm", "-f", "first", "some");
  await peer.docker("rm", "-f", "some");
}

async function traffic(peer: Side, ours: Side, client: Host): Promise<void> {
  for (const side of [peer, ours]) {
    await side.run("web", "-p", "8080:80", "-p", "5201:5201");
    await side.serve("web", 5201, "iperf3", "-s");
    await side.serveHttp("web", 80);
  }
  const outside = (side: Side) => [client, side.host.ipv4] as const;
  const local = (side: Side) => [side.host, "127.0.0.1"] as const;
  for (const [where, from] of [["outside", outside] as const, ["localhost", local] as const]) {
    const streams = await rounds(7, { peer: stream(...from(peer)), ours: stream(...from(ours)) });
    rows.push({ what: `2 GiB to a published port from ${where}`, unit: "ms", budget: EQUAL, ...streams });
    const short = await rounds(7, {
      peer: requests(...from(peer), 8080),
      ours: requests(...from(ours), 8080),
    });
    rows.push({ what: `${REQUESTS} HTTP requests from ${where}`, unit: "ms", budget: EQUAL, ...short });
  }
}

type Sides = Record<"peer" | "ours", Side> & { client: Host };

async function manyBesideFew(few: Sides, many: Sides): Promise<void> {
  for (const { peer, ours } of [few, many]) {
    for (const side of [peer, ours]) {
      await side.run("web", "-p", "8080:80");
      await side.serveHttp("web", 80);
    }
  }
  const last = FIRST + MANY - 1;
  rows.push({
    what: `a port of \`docker run -d -p\` of ${MANY}`,
    unit: "ms",
    budget: 1 / 10,
    peer: (await publishMany(many.peer, last)) / MANY,
    ours: (await publishMany(many.ours, last)) / MANY,
  });
  const another = (side: Side) => async (): Promise<number> => {
    const begin = performance.now();
    await side.run("another", "-p", "9000:80");
    const took = performance.now() - begin;
    await side.docker("rm", "-f", "another");
    return took;
  };
  grown(
    "`docker run -d` with one port more",
    await rounds(15, {
      fewPeer: another(few.peer),
      manyPeer: another(many.peer),
      fewOurs: another(few.ours),
      manyOurs: another(many.ours),
    }),
  );
  const ask = ({ client, ...sides }: Sides, side: "peer" | "ours", port: number) =>
    requests(client, sides[side].host.ipv4, port);
  grown(
    `${REQUESTS} HTTP requests to the last port`,
    await rounds(9, {
      fewPeer: ask(few, "peer", 8080),
      manyPeer: ask(many, "peer", last),
      fewOurs: ask(few, "ours", 8080),
      manyOurs: ask(many, "ours", last),
    }),
  );
}

function grown(what: string, took: Record<"fewPeer" | "manyPeer" | "fewOurs" | "manyOurs", number>): void {
  const peer = { peer: took.fewPeer, ours: took.manyPeer };
  rows.push({
    what: `${what}, dockerd --userland-proxy=false: ${MANY} published / 1`,
    unit: "ms",
    ...peer,
  });
  const ours = { peer: took.fewOurs, ours: took.manyOurs };
  rows.push({ what: `${what}, tsd: ${MANY} published / 1`, unit: "ms", ...ours, budget: SAME });
}

async function publishMany(side: Side, last: number): Promise<number> {
  const begin = performance.now();
  await side.run("many", "-p", `${FIRST}-${last}:${FIRST}-${last}`);
  const took = performance.now() - begin;
  await side.serveHttp("many", last);
  return took;
}
