/** `bun test/e2e/compare/run.ts [OUTPUT]`: compares both daemons and prints every difference. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeBusyboxArchive } from "../../support/busybox.ts";
import { Daemon } from "../../support/daemon.ts";
import { Dockerd } from "../../support/dockerd.ts";
import { type Answer, COMMANDS, runScript } from "./script.ts";

export interface Pair {
  command: string;
  ours: Answer;
  theirs: Answer;
}

/** Both daemons answer the whole script, one after the other. */
export async function comparePeers(): Promise<Pair[]> {
  const answersOf = async (daemon: { folder: string; socket: string }) => {
    const archive = join(daemon.folder, "busybox.tar");
    writeBusyboxArchive(archive);
    const load = Bun.spawnSync(["docker", "-H", `unix://${daemon.socket}`, "load", "-q", "-i", archive]);
    if (!load.success) throw new Error(`docker load: ${load.stderr}`);
    const answers = await runScript(daemon.socket);
    // Two daemons that are both gone answer alike.
    const lost = answers.findIndex(({ stderr }) => stderr.includes("Cannot connect to the Docker daemon"));
    if (lost >= 0) throw new Error(`the daemon is gone at: ${COMMANDS[lost]}`);
    return answers;
  };
  const theirs = await (async () => {
    await using peer = await new Dockerd().start();
    return await answersOf(peer);
  })();
  const ours = await (async () => {
    await using daemon = await new Daemon().start();
    return await answersOf(daemon);
  })();
  return COMMANDS.map((command, at) => ({ command, ours: ours[at]!, theirs: theirs[at]! }));
}

if (import.meta.main) {
  const pairs = await comparePeers();
  const different = pairs.filter(({ ours, theirs }) => !Bun.deepEquals(ours, theirs));
  for (const { command, ours, theirs } of different) {
    console.log(`$ ${command}`);
    for (const key of ["status", "stdout", "stderr"] as const) {
      if (ours[key] !== theirs[key])
        console.log(
          `  ${key}\n    theirs ${JSON.stringify(theirs[key])}\n    ours   ${JSON.stringify(ours[key])}`,
        );
    }
  }
  console.log(`${pairs.length - different.length} of ${pairs.length} equal`);
  if (process.argv[2]) writeFileSync(process.argv[2], JSON.stringify(pairs, null, 1));
}
