/**
 * `login` and `logout` of our command line beside the real client's, at a real docker-registry that knows one
 * account: the same words, the same file, the same questions to helpers; and images go there and back with what was
 * kept.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeBusyboxArchive } from "../support/busybox.ts";
import { onTerminal, ourDocker, type Step } from "../support/client.ts";
import { Daemon } from "../support/daemon.ts";
import { Registry } from "./image/fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "login-"));
const home = join(folder, "home");
const file = join(home, ".docker/config.json");
const ours = ourDocker(folder);
const daemon = new Daemon();
let registry: Registry;

/** A helper that keeps one account in a file and writes down what it is asked; another that always fails. */
const HELPERS = {
  lab: `in=$(cat); echo "$1 $in" >> $HOME/asked
case $1 in
  get) [ -f $HOME/kept ] && cat $HOME/kept || { echo "credentials not found in native keychain"; exit 1; } ;;
  store) printf '%s' "$in" > $HOME/kept ;;
  erase) rm -f $HOME/kept ;;
esac`,
  bad: "echo out $1; echo err $1 >&2; exit 3",
};

beforeAll(async () => {
  registry = await Registry.start(folder, { me: "secret" });
  for (const [name, script] of Object.entries(HELPERS)) {
    const path = join(folder, "bin", `docker-credential-${name}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }
  await daemon.start();
}, 60_000);

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

beforeEach(() => {
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
});

const environment = (): Record<string, string> => ({
  PATH: `${process.env.PATH}:${join(folder, "bin")}`,
  HOME: home,
  TERM: "xterm",
  DOCKER_HOST: `unix://${daemon.socket}`,
  R: registry.host,
});

function configure(config: object, mode = 0o600): void {
  mkdirSync(join(home, ".docker"), { recursive: true });
  writeFileSync(file, JSON.stringify(config));
  chmodSync(file, mode);
}

const readOr = (path: string): string =>
  lstatSync(path, { throwIfNoEntry: false }) ? readFileSync(path, "utf8") : "";

/** What a script of the client's says and leaves behind. */
function play(client: string, line: string) {
  const done = Bun.spawnSync(["bash", "-c", line], { env: { ...environment(), D: client }, stdin: "ignore" });
  return {
    out: done.stdout.toString(),
    // docker's own library logs beside the answers when it goes to the registry itself.
    err: done.stderr.toString().replaceAll(/^time=.*\n/gm, ""),
    status: done.exitCode,
    file: readOr(file),
    modes: lstatSync(file, { throwIfNoEntry: false })
      ? [statSync(file).mode & 0o777, statSync(join(home, ".docker")).mode & 0o777]
      : [],
    // docker has a helper forget the same name twice.
    asked: readOr(join(home, "asked")).replaceAll(/^(erase .*\n)\1/gm, "$1"),
  };
}

const encoded = (text: string) => ({ auth: btoa(text) });

/** Name, what is configured before, and the script. */
const SCRIPTS: [name: string, config: (host: string) => object | undefined, line: string][] = [
  ["says it needs a terminal", () => undefined, "$D login $R"],
  ["needs one for a password, too", () => undefined, "$D login -u me $R; $D login -p x $R"],
  ["takes no empty name", () => undefined, '$D login -u "" $R'],
  ["takes no empty password", () => undefined, '$D login -u me -p "" $R'],
  ["takes one password only", () => undefined, "$D login -u me -p x --password-stdin $R"],
  ["wants a name with a piped password", () => undefined, "echo x | $D login --password-stdin $R"],
  ["finds nothing piped", () => undefined, "$D login -u me --password-stdin $R"],
  ["is told of a wrong password", () => undefined, "$D login -u me -p wrong $R"],
  ["is told of no registry", () => undefined, "$D login -u me -p x 127.0.0.1:1"],
  ["keeps what is right", () => undefined, "$D login -u me -p secret $R"],
  ["warns once", () => undefined, "$D login -u me -p secret $R; $D login -u me -p secret $R"],
  ["takes a piped password", () => undefined, "echo secret | $D login -u me --password-stdin $R"],
  [
    "takes one line's end of it",
    () => undefined,
    "printf 'secret\\r\\n' | $D login -u me --password-stdin $R",
  ],
  [
    "takes no space around it",
    () => undefined,
    "printf ' secret\\n\\n' | $D login -u me --password-stdin $R",
  ],
  ["keeps by name what is logged in by URL", () => undefined, "$D login -u me -p secret http://$R/v2/"],
  ["uses what it knows", (host) => ({ auths: { [host]: encoded("me:secret") } }), "$D login $R"],
  [
    "knows it by URL",
    (host) => ({ auths: { [`https://${host}/v1/`]: encoded("me:secret") } }),
    "$D login $R",
  ],
  ["finds it outdated", (host) => ({ auths: { [host]: encoded("me:old") } }), "$D login $R"],
  [
    "leaves others alone",
    () => ({
      auths: { "z.test": encoded("a:b"), "a.test": encoded("c:d") },
      HttpHeaders: { A: "b" },
      psFormat: "x",
    }),
    "$D login -u me -p secret $R",
  ],
  [
    "asks the registry itself without a daemon",
    () => undefined,
    "DOCKER_HOST=unix:///nowhere $D login -u me -p secret $R",
  ],
  ["and is told no by it", () => undefined, "DOCKER_HOST=unix:///nowhere $D login -u me -p wrong $R"],
  ["logs out", (host) => ({ auths: { [host]: encoded("me:secret"), b: encoded("a:b") } }), "$D logout $R"],
  ["logs out twice", () => undefined, "$D logout $R && $D logout $R"],
  [
    "logs out of every spelling",
    (host) => ({ auths: { [host]: {}, [`https://${host}`]: {}, [`https://${host}/v1/`]: {} } }),
    "$D logout https://$R/v1/",
  ],
  [
    "logs out of Docker Hub",
    () => ({ auths: { "https://index.docker.io/v1/": encoded("me:x") } }),
    "$D logout",
  ],
  ["gives it to the store", () => ({ credsStore: "lab" }), "$D login -u me -p secret $R"],
  [
    "asks the store",
    () => ({ credsStore: "lab" }),
    "$D login -u me -p secret $R; $D login $R; $D pull -q $R/none; $D logout $R",
  ],
  [
    "asks the registry's own helper",
    (host) => ({ credsStore: "bad", credHelpers: { [host]: "lab" } }),
    "$D login -u me -p secret $R",
  ],
  ["says how a helper fails", () => ({ credsStore: "bad" }), "$D login -u me -p secret $R"],
  ["pulls without a helper that fails", () => ({ credsStore: "bad" }), "$D pull $R/none"],
  ["misses a helper", () => ({ credsStore: "missing" }), "$D login -u me -p secret $R"],
];

describe("as docker does", () => {
  test.each(SCRIPTS)(
    "%s",
    (_, config, line) => {
      const [mine, theirs] = [ours, "docker"].map((client) => {
        rmSync(home, { recursive: true, force: true });
        mkdirSync(home);
        const before = config(registry.host);
        if (before) configure(before);
        return play(client, line);
      });
      expect(mine).toEqual(theirs!);
    },
    20_000,
  );
});

const TERMINAL: [name: string, config: (host: string) => object, words: string[], steps: Step[]][] = [
  [
    "asks for both",
    () => ({}),
    ["R"],
    [{ wait: "Username: " }, { send: "me\r" }, { wait: "Password: " }, { pause: 100 }, { send: "secret\r" }],
  ],
  [
    "asks for the password",
    () => ({}),
    ["-u", "me", "R"],
    [{ wait: "Password: " }, { pause: 100 }, { send: "wrong\r" }],
  ],
  ["asks for the name", () => ({}), ["-p", "secret", "R"], [{ wait: "Username: " }, { send: " me \r" }]],
  ["wants a name", () => ({}), ["R"], [{ wait: "Username: " }, { send: "\r" }]],
  [
    "wants a password",
    () => ({}),
    ["-u", "me", "R"],
    [{ wait: "Password: " }, { pause: 100 }, { send: "\r" }],
  ],
  [
    "offers the name it knows",
    (host) => ({ auths: { [host]: encoded("me:old") } }),
    ["R"],
    [{ wait: "(me): " }, { send: "\r" }, { wait: "Password: " }, { pause: 100 }, { send: "secret\r" }],
  ],
  ["says it uses what it knows", (host) => ({ auths: { [host]: encoded("me:secret") } }), ["R"], []],
  [
    "explains Docker Hub's passwords",
    () => ({}),
    [],
    [{ wait: "Username: " }, { send: "me\r" }, { wait: "Password: " }, { pause: 100 }, { send: "\r" }],
  ],
];

describe("on a terminal, as docker does", () => {
  test.each(TERMINAL)(
    "%s",
    async (_, config, words, steps) => {
      const results = [];
      for (const client of [ours, "docker"]) {
        configure(config(registry.host));
        const command = [client, "login", ...words.map((word) => (word === "R" ? registry.host : word))];
        const env = { ...environment(), DOCKER_CLI_DISABLE_OAUTH_LOGIN: "1" };
        results.push([await onTerminal(command, env, steps), readOr(file)]);
      }
      expect(results[0]).toEqual(results[1]!);
    },
    30_000,
  );

  test("is left echoing when a question for a password is interrupted", async () => {
    const script = `trap "echo interrupted" INT; ${ours} login -u me ${registry.host}; echo ended $?; stty -a`;
    const [shown] = await onTerminal(["bash", "-c", script], environment(), [
      { wait: "Password: " },
      { pause: 100 },
      { send: "\x03" },
      { wait: "ended 130" },
    ]);
    expect(shown).toMatch(/[ ;]echo /);
    expect(readOr(file)).toBe("");
  }, 20_000);
});

test("cannot log out when the helper fails for every name", () => {
  configure({ credsStore: "bad" });
  const { out, err, status } = play(ours, "$D logout $R");
  const failure = (name: string) =>
    `${name}: error erasing credentials - err: exit status 3, out: \`out erase\`\n`;
  const { host } = registry;
  const names = [host, `http://${host}`, `https://${host}`];
  expect([out, err, status]).toEqual([
    `Removing login credentials for ${host}\n`,
    `${"err erase\n".repeat(3)}WARNING: could not erase credentials:\n${names.map(failure).join("")}`,
    0,
  ]);
});

test("keeps keys it does not know, the link to the file and who may read it", () => {
  configure({ later: { a: [1] }, credHelpers: { "x.test": "lab" } }, 0o640);
  const target = join(home, "elsewhere.json");
  Bun.spawnSync(["mv", file, target]);
  symlinkSync("../elsewhere.json", file);
  expect(play(ours, "$D login -u me -p secret $R").status).toBe(0);
  expect(lstatSync(file).isSymbolicLink()).toBe(true);
  expect(JSON.parse(readFileSync(target, "utf8"))).toEqual({
    auths: { [registry.host]: encoded("me:secret") },
    later: { a: [1] },
    credHelpers: { "x.test": "lab" },
  });
  expect(statSync(target).mode & 0o777).toBe(0o640);
});

test("what it kept, in the file or by a helper, pushes and pulls", async () => {
  const archive = join(folder, "busybox.tar");
  writeBusyboxArchive(archive);
  for (const config of [{}, { credsStore: "lab" }]) {
    configure(config);
    expect(play(ours, `$D load -qi ${archive} && $D tag busybox $R/box:1`).status).toBe(0);
    const refused = play(ours, "$D push -q $R/box:1");
    expect([refused.status, refused.err]).toEqual([1, expect.stringContaining("no basic auth credentials")]);
    expect(play(ours, "$D login -u me -p secret $R && $D push -q $R/box:1").status).toBe(0);
    const pulled = play(ours, "$D rmi $R/box:1 && $D pull -q $R/box:1");
    expect([pulled.status, pulled.err]).toEqual([0, ""]);
    const after = play(ours, "$D logout $R && $D rmi $R/box:1 && $D pull -q $R/box:1");
    expect([after.status, after.err]).toEqual([1, expect.stringContaining("no basic auth credentials")]);
  }
}, 60_000);
