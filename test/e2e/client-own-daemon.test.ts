/**
 * The command line against our own daemon, beside the real client: same output, same complaints, same status, and
 * the same on a terminal. Both are called `docker` here, so that nothing has to be masked for the name.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeBusyboxArchive } from "../support/busybox.ts";
import { onTerminal, ourDocker, type Step } from "../support/client.ts";
import { Daemon, until } from "../support/daemon.ts";

const folder = mkdtempSync(join(tmpdir(), "client-own-"));
const ours = ourDocker(folder);
const daemon = new Daemon();
const environment = () => ({
  PATH: process.env.PATH ?? "",
  HOME: folder,
  TERM: "xterm",
  DOCKER_HOST: `unix://${daemon.socket}`,
});

beforeAll(async () => {
  mkdirSync(join(folder, "work"));
  await daemon.start();
  writeBusyboxArchive(join(folder, "busybox.tar"));
  const made = [
    ["load", "-i", join(folder, "busybox.tar")],
    ["run", "-d", "--name", "c1", "busybox", "sh", "-c", "echo out; echo err >&2; sleep 99999"],
    ["run", "--name", "c2", "--network", "none", "busybox", "sh", "-c", "echo hi; exit 3"],
    ["create", "--name", "c3", "--network", "none", "-v", "/tmp:/v", "-t", "-l", "a=b", "busybox", "sh"],
    "run -d --name c4 --network none -m 64m --cpus 0.5 --pids-limit 50 --ulimit nofile=100:200 --tmpfs /t --device /dev/null:/dev/xx -e A=1 -l a=b -l c=d --init busybox sleep 99999".split(
      " ",
    ),
  ];
  for (const words of made) {
    const { stderr, status } = await daemon.docker(...words);
    expect([
      words[0],
      stderr.replace(/^WARNING: IPv4 forwarding.*\n/, "").replace(/^WARNING.*\n/, ""),
      status,
    ]).toEqual([words[0], "", words[2] === "c2" ? 3 : 0]);
  }
}, 60_000);

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const mask = (text: string): string =>
  text
    .replaceAll(/\b[0-9a-f]{64}\b/g, "<ID>")
    .replaceAll(/\b[0-9a-f]{12}\b/g, "<id>")
    .replaceAll(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d+ UTC|Z|[+-]\d\d:\d\d)?/g, "<time>")
    .replaceAll(/(\d+|About an?|Less than a) (second|minute|hour)s?/g, "<age>")
    // docker's own log of a copy that the daemon ended: with luck it is faster.
    .replaceAll(/^time=\S+ level=error msg="Can't (add file|close tar).*\n/gm, "")
    // A table's column is as wide as the age in it.
    .replaceAll(/ {2,}/g, "  ");

function shell(line: string, client: string): { out: string; err: string; status: number | null } {
  const done = Bun.spawnSync(["bash", "-c", line], {
    env: { ...environment(), D: client },
    cwd: join(folder, "work"),
    stdin: "ignore",
  });
  const text = (bytes: Uint8Array) => mask(new TextDecoder().decode(bytes));
  return { out: text(done.stdout), err: text(done.stderr), status: done.exitCode };
}

const LINES = readFileSync(join(import.meta.dir, "client/commands.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

test.each(LINES)("%s", (line) => expect(shell(line, ours)).toEqual(shell(line, "docker")), 20_000);

/** The same on a terminal. */
async function shown(client: string, words: string[], steps: Step[]): Promise<[string, number | null]> {
  const [text, status] = await onTerminal([client, ...words], environment(), steps);
  // A shell that is told a new size draws its prompt again, once or more, as the moments fall.
  return [mask(text.replaceAll(/\r?\/ # \x1b\[J/g, "").replaceAll("\x1b[6n", "")), status];
}

const RUN = ["--rm", "--network", "none", "busybox"];
const resized: Step[] = [
  { wait: "# " },
  { send: "stty size\r" },
  { wait: "24 120\r\n" },
  { wait: "# " },
  { size: [40, 100] },
  { pause: 300 },
  { send: "stty size\r" },
  { wait: "40 100\r\n" },
  { wait: "# " },
  { send: "exit 3\r" },
];

const TERMINAL: [string, string[], Step[]][] = [
  ["run -it follows the window's size", ["run", "-it", ...RUN, "sh"], resized],
  ["exec -it does, too", ["exec", "-it", "c1", "sh"], resized],
  ["the keys detach from run", ["run", "-it", ...RUN, "sh"], [{ wait: "# " }, { send: "\x10\x11" }]],
  [
    "other keys do",
    ["run", "-it", "--detach-keys", "ctrl-a,x", ...RUN, "sh"],
    [{ wait: "# " }, { send: "\x01x" }],
  ],
  ["the keys detach from exec", ["exec", "-it", "c1", "sh"], [{ wait: "# " }, { send: "\x10\x11" }]],
  [
    "Ctrl-C reaches a program without a terminal",
    ["run", ...RUN, "sh", "-c", 'trap "echo int; exit 7" INT; echo ready; while :; do sleep 0.1; done'],
    [{ wait: "ready" }, { send: "\x03" }],
  ],
  ["start -ai", ["start", "-ai", "tty"], [{ wait: "# " }, { send: "exit 6\r" }]],
  ["prune takes no for an answer", ["container", "prune"], [{ wait: "[y/N] " }, { send: "n\r" }]],
  ["prune takes Ctrl-C for a no", ["image", "prune"], [{ wait: "[y/N] " }, { send: "\x03" }]],
  ["nothing binary is written to a terminal", ["save", "busybox"], []],
  ["load shows bars", ["load", "-i", join(folder, "busybox.tar")], []],
];

describe("on a terminal", () => {
  beforeAll(async () => {
    const words = ["create", "-it", "--name", "tty", "--network", "none", "busybox", "sh"];
    expect((await daemon.docker(...words)).status).toBe(0);
  });

  test.each(TERMINAL)(
    "%s",
    async (_, words, steps) => {
      expect(await shown(ours, words, steps)).toEqual(await shown("docker", words, steps));
    },
    30_000,
  );
});

test("signals are handed on, SIGUSR1 among them", async () => {
  const script =
    'for s in HUP USR1 USR2 ALRM; do trap "echo $s" $s; done; trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done';
  const child = Bun.spawn([ours, "run", ...RUN, "sh", "-c", script], {
    env: environment(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  const shows = async (word: string) => {
    for (let turn = 0; turn < 800 && !out.includes(word); turn += 1) await Bun.sleep(10);
    expect(out).toContain(word);
  };
  void (async () => {
    for await (const bytes of child.stdout) out += new TextDecoder().decode(bytes);
  })();
  await shows("ready");
  for (const name of ["HUP", "USR1", "USR2", "ALRM"]) {
    child.kill(`SIG${name}` as NodeJS.Signals);
    await shows(name);
  }
  child.kill("SIGTERM");
  expect(await child.exited).toBe(9);
}, 30_000);

test("what is still to come is said to be", () => {
  for (const words of ["build .", "volume ls", "container commit c1"]) {
    const { out, err, status } = shell(`$D ${words}`, ours);
    expect([words, out, status]).toEqual([words, "", 1]);
    expect(err).toContain("is not available yet");
  }
});

test("every verb explains itself", () => {
  const help = shell("$D --help", ours);
  expect(help.status).toBe(0);
  const verbs = [...help.out.matchAll(/^ {2}([a-z]+) {2}/gm)].map(([, verb]) => verb);
  expect(verbs.length).toBeGreaterThan(30);
  const script = `for v in ${verbs.join(" ")}; do $D $v --help > /dev/null || echo $v; done`;
  expect(shell(script, ours)).toEqual({ out: "", err: "", status: 0 });
}, 60_000);

test("a daemon that is killed is the failure of who is attached", async () => {
  await using mortal = await new Daemon().start();
  await mortal.docker("load", "-i", join(folder, "busybox.tar"));
  await mortal.docker("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "99999");
  const attach = (client: string) =>
    Bun.spawn([client, "-H", `unix://${mortal.socket}`, "attach", "box"], {
      env: environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
  const clients = [attach(ours), attach("docker")];
  const attached = ["events", "--since", "1h", "--until", "0s", "--filter", "event=attach", "--format", "."];
  await until(
    async () => (await mortal.docker(...attached)).stdout === ".\n.\n",
    "both to be attached",
    10_000,
  );
  await mortal.stop("SIGKILL");
  const seen = clients.map(async (client) => ({
    err: await new Response(client.stderr).text(),
    status: await client.exited,
  }));
  const [mine, theirs] = await Promise.all(seen);
  expect(mine).toEqual(theirs!);
  expect(mine).toEqual({ err: "unexpected EOF\n", status: 1 });
  await mortal.start();
}, 40_000);
