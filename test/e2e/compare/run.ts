/** `bun test/e2e/compare/run.ts commands|networks [OUTPUT]`: compares both daemons and prints every difference. */
import { writeFileSync } from "node:fs";
import { loadBusybox } from "../../support/busybox.ts";
import { Dockerd } from "../../support/dockerd.ts";
import { makeHosts } from "../../support/hosts.ts";
import { type Answer, readScript, runScript } from "./script.ts";

export interface Pair {
  command: string;
  ours: Answer;
  theirs: Answer;
}

/**
 * Both daemons answer a whole script, one after the other, each with a host of its own: bridges, rules and published
 * ports are not the machine's, and both have the same free addresses.
 */
export async function comparePeers(script: string): Promise<Pair[]> {
  const commands = readScript(script);
  const answersOf = async (daemon: { folder: string; socket: string }, under: readonly string[]) => {
    loadBusybox(daemon);
    const answers = await runScript(commands, daemon.socket, under);
    // Two daemons that are both gone answer alike.
    const lost = answers.findIndex(({ stderr }) => stderr.includes("Cannot connect to the Docker daemon"));
    if (lost >= 0) throw new Error(`the daemon is gone at: ${commands[lost]}`);
    return answers;
  };
  const theirs = await (async () => {
    await using hosts = await makeHosts({ lan: ["engine"] });
    await using peer = await new Dockerd(hosts.host.engine.under).start();
    return await answersOf(peer, hosts.host.engine.under);
  })();
  const ours = await (async () => {
    await using hosts = await makeHosts({ lan: ["engine"] });
    await using daemon = await hosts.host.engine.daemon();
    return await answersOf(daemon, hosts.host.engine.under);
  })();
  return commands.map((command, at) => ({ command, ours: ours[at]!, theirs: theirs[at]! }));
}

if (import.meta.main) {
  const pairs = await comparePeers(process.argv[2] ?? "commands");
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
  if (process.argv[3]) writeFileSync(process.argv[3], JSON.stringify(pairs, null, 1));
}
