/** Containers with the default network. */
import { median, QUIET_MS, rounds, rows, startTwenty, time } from "./measure.ts";
import { withSides } from "./sides.ts";

/** `tsd`: the built file. */
export async function networks(tsd: string): Promise<void> {
  await withSides(async ({ peer, ours: { engine: daemon } }) => {
    const client =
      (program: string, socket: string) =>
      (...words: string[]) =>
        time(program, "-H", `unix://${socket}`, ...words);
    const [theirs, ours] = [client("docker", peer.engine.socket), client("docker", daemon.socket)];
    const own = client(tsd, daemon.socket);
    const once = ["run", "--rm", "busybox", "true"];
    const without = ["run", "--rm", "--network", "none", "busybox", "true"];
    const runs = await rounds(7, {
      peer: () => several(() => theirs(...once)),
      docker: () => several(() => ours(...once)),
      tsd: () => several(() => own(...once)),
      without: () => several(() => own(...without)),
    });
    rows.push({
      what: "`docker run --rm`, default network",
      peer: runs.peer,
      ours: runs.docker,
      unit: "ms",
      budget: 1 / 8,
    });
    rows.push({
      what: "`tsd run` / `docker run`, the same",
      peer: runs.peer,
      ours: runs.tsd,
      unit: "ms",
      budget: 1 / 15,
    });
    rows.push({
      what: "`tsd run --rm`, default network / none",
      peer: runs.without,
      ours: runs.tsd,
      unit: "ms",
    });
    await twenty(peer.engine.socket, daemon.socket, { theirs, ours });
  });
}

async function several(run: () => number): Promise<number> {
  await Bun.sleep(QUIET_MS);
  return (run() + run() + run()) / 3;
}

type Client = (...words: string[]) => number;

async function twenty(peer: string, daemon: string, { theirs, ours }: Record<"theirs" | "ours", Client>) {
  const names = Array.from({ length: 20 }, (_, n) => `many${n}`);
  const [starts, removals] = [
    { peer: [] as number[], ours: [] as number[] },
    { peer: [] as number[], ours: [] as number[] },
  ];
  for (let round = 0; round < 3; round++) {
    await Bun.sleep(QUIET_MS);
    starts.peer.push(await startTwenty(peer));
    starts.ours.push(await startTwenty(daemon));
    removals.peer.push(theirs("rm", "-f", ...names));
    removals.ours.push(ours("rm", "-f", ...names));
  }
  const middle = (sides: typeof starts) => ({ peer: median(sides.peer), ours: median(sides.ours) });
  rows.push({
    what: "20 `docker run -d` at once, default network",
    unit: "ms",
    budget: 1 / 6,
    ...middle(starts),
  });
  rows.push({ what: "`docker rm -f` of the 20", unit: "ms", budget: 1 / 3, ...middle(removals) });
}
