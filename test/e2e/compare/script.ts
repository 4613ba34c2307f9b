/** Runs the script of docker commands against one daemon by the real client. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mask } from "./mask.ts";

export interface Answer {
  status: number;
  stdout: string;
  stderr: string;
}

/** The commands of `commands.txt` or `networks.txt`. */
export const readScript = (name: string): string[] =>
  readFileSync(join(import.meta.dir, `${name}.txt`), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));

/**
 * `under`: words in front of each command's shell, which is to be in the daemon's network.
 * @returns one masked answer for each command, in order.
 */
export async function runScript(
  commands: readonly string[],
  socket: string,
  under: readonly string[],
): Promise<Answer[]> {
  const folder = mkdtempSync(join(tmpdir(), "compare-"));
  try {
    mkdirSync(join(folder, "shared"));
    writeFileSync(join(folder, "shared/file"), "shared\n");
    writeFileSync(join(folder, "env.list"), "# comment\nFROM=file\nB\n");
    const answers: Answer[] = [];
    for (const command of commands) answers.push(await runOne(command, folder, socket, under));
    return answers;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runOne(
  command: string,
  folder: string,
  socket: string,
  under: readonly string[],
): Promise<Answer> {
  const child = Bun.spawn([...under, "timeout", "-k", "2", "20", "bash", "-c", command], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? "",
      HOME: folder,
      LC_ALL: "C",
      B: "given",
      DOCKER_HOST: `unix://${socket}`,
      DOCKER_CLI_HINTS: "false",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { status: await child.exited, stdout: mask(stdout), stderr: mask(stderr) };
}
