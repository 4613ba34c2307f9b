/** The command line under the name `docker`, so that nothing has to be masked beside the real one; and terminals for both. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { program } from "./daemon.ts";

/** Below `folder`: a program `docker` that is ours. Gives its path. */
export function ourDocker(folder: string): string {
  const ours = join(folder, "bin/docker");
  mkdirSync(join(folder, "bin"));
  if (process.env.TSD) symlinkSync(process.env.TSD, ours);
  else {
    writeFileSync(ours, `#!/bin/bash\nexec -a docker ${program().join(" ")} "$@"\n`);
    chmodSync(ours, 0o755);
  }
  return ours;
}

export type Step =
  | { wait: string }
  | { send: string }
  | { size: [rows: number, columns: number] }
  | { pause: number };

/** Plays the steps on a terminal of its own; gives what was shown and the status. */
export async function onTerminal(
  command: readonly string[],
  env: Record<string, string>,
  steps: readonly Step[],
): Promise<[shown: string, status: number | null]> {
  let shown = "";
  const decoder = new TextDecoder();
  const data = (_: unknown, bytes: Uint8Array): void => {
    shown += decoder.decode(bytes, { stream: true });
  };
  const child = Bun.spawn([...command], { env, terminal: { cols: 120, rows: 24, data } });
  const terminal = child.terminal!;
  let seen = 0;
  for (const step of steps) {
    if ("send" in step) terminal.write(step.send);
    else if ("size" in step) terminal.resize(step.size[1], step.size[0]);
    else if ("pause" in step) await Bun.sleep(step.pause);
    else {
      const end = Date.now() + 8000;
      let at = shown.indexOf(step.wait, seen);
      for (; at < 0 && Date.now() < end; at = shown.indexOf(step.wait, seen)) await Bun.sleep(10);
      if (at < 0) throw new Error(`${command.join(" ")}: never showed ${step.wait}: ${shown}`);
      seen = at + step.wait.length;
    }
  }
  const status = await child.exited;
  await Bun.sleep(50);
  terminal.close();
  return [shown, status];
}
