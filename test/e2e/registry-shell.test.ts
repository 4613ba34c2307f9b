/**
 * A busybox image and a Debian image, pushed by skopeo into a real docker-registry on loopback: pulled, run and used
 * through a terminal, by the real docker client and by ours. Needs root, docker-registry, skopeo and debootstrap.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeBusyboxArchive } from "../support/busybox.ts";
import { Daemon, program, until } from "../support/daemon.ts";
import { debianArchive } from "../support/debian.ts";
import { Registry, skopeo } from "./image/fixtures.ts";

const CLIENTS: [name: string, words: string[]][] = [
  ["docker", ["docker"]],
  ["tsd", program()],
];
const IMAGES: [name: string, command: string[], expected: RegExp][] = [
  ["busybox", ["sh", "-c", "busybox | head -n 1"], /^BusyBox v/],
  ["debian", ["sh", "-c", ". /etc/os-release && echo $ID && dpkg-query -W bash"], /^debian\nbash\t/],
];

let folder: string;
let registry: Registry;
let daemon: Daemon;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "registry-"));
  registry = await Registry.start(folder);
  const busybox = join(folder, "busybox.tar");
  writeBusyboxArchive(busybox);
  for (const [name, archive] of [
    ["busybox", busybox],
    ["debian", await debianArchive()],
  ]) {
    const target = `docker://${registry.host}/${name}:1`;
    await skopeo("copy", "--dest-tls-verify=false", `docker-archive:${archive}`, target);
  }
  daemon = await new Daemon().start();
}, 600_000);

afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const command = (client: string[], words: string[]) => [
  client[0]!,
  ...client.slice(1),
  "-H",
  `unix://${daemon.socket}`,
  ...words,
];

async function output(
  client: string[],
  ...words: string[]
): Promise<{ stdout: string; stderr: string; status: number }> {
  const child = Bun.spawn(command(client, words), { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { stdout, stderr, status: await child.exited };
}

/** A shell of the image's on a terminal of 30 lines and 100 columns; typed at, made larger, left with status 7. */
async function useShell(client: string[], image: string): Promise<{ shown: string; status: number }> {
  let shown = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn(command(client, ["run", "-it", "--rm", "--network", "none", image, "sh"]), {
    terminal: {
      cols: 100,
      rows: 30,
      data: (_, bytes) => {
        shown += decoder.decode(bytes, { stream: true });
      },
    },
  });
  const terminal = child.terminal!;
  const shows = (text: string) =>
    until(() => shown.includes(text), `${JSON.stringify(text)} in ${JSON.stringify(shown)}`);
  await until(() => /[#$] $/.test(shown.replace(/\x1b\[[0-9;?]*[a-zA-Z]/g, "")), "the shell's prompt");
  terminal.write("echo size $(stty size)\n");
  await shows("size 30 100");
  terminal.write("tty\n");
  await shows("/dev/pts/0");
  terminal.resize(120, 40);
  // The new size reaches the container some time later: asked until it is there.
  await until(async () => {
    terminal.write("echo size $(stty size)\n");
    await Bun.sleep(100);
    return shown.includes("size 40 120");
  }, "the new size");
  terminal.write("exit 7\n");
  const status = await child.exited;
  terminal.close();
  return { shown, status };
}

for (const [client, words] of CLIENTS) {
  describe(client, () => {
    for (const [name, script, expected] of IMAGES) {
      const image = () => `${registry.host}/${name}:1`;

      test(`pulls and runs ${name}`, async () => {
        await output(words, "rmi", image());
        const pulled = await output(words, "pull", image());
        expect(pulled.stderr).toBe("");
        expect(pulled.stdout).toContain(`Status: Downloaded newer image for ${image()}`);
        expect(pulled.stdout).toEndWith(`${image()}\n`);
        const again = await output(words, "pull", "-q", image());
        expect(again).toEqual({ stdout: `${image()}\n`, stderr: "", status: 0 });
        const ran = await output(words, "run", "--rm", "--network", "none", image(), ...script);
        expect(ran.stdout).toMatch(expected);
        expect(ran).toMatchObject({ stderr: "", status: 0 });
      });

      test(`has a shell of ${name} on a terminal`, async () => {
        const { status } = await useShell(words, image());
        expect(status).toBe(7);
        const left = await output(words, "ps", "-aq");
        expect(left.stdout).toBe("");
      });
    }
  });
}
