/** The command line against Debian's dockerd, beside the real client: same output, same complaints, same status. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeBusyboxArchive } from "../support/busybox.ts";
import { Dockerd } from "../support/dockerd.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");
const folder = mkdtempSync(join(tmpdir(), "client-"));
const dockerd = new Dockerd();

function run(words: string[], input = ""): { out: string; err: string; status: number | null } {
  const done = Bun.spawnSync(words, {
    env: { ...process.env, DOCKER_HOST: `unix://${dockerd.socket}` },
    stdin: new TextEncoder().encode(input),
    cwd: folder,
  });
  const text = (bytes: Uint8Array) =>
    new TextDecoder().decode(bytes).replace(/\b(?:docker|tsd)\b/g, "PROGRAM");
  return { out: text(done.stdout), err: text(done.stderr), status: done.exitCode };
}
const docker = (words: string[], input?: string) => run(["docker", ...words], input);
const tsd = (words: string[], input?: string) => run([process.execPath, MAIN, ...words], input);

beforeAll(async () => {
  await dockerd.start();
  writeBusyboxArchive(join(folder, "busybox.tar"));
  expect(docker(["load", "-i", "busybox.tar"]).status).toBe(0);
  const made = docker([
    "run",
    "-d",
    "--name",
    "c1",
    "--network",
    "none",
    "busybox",
    "sh",
    "-c",
    "echo out; echo err >&2; sleep 9999",
  ]);
  expect(made.status).toBe(0);
}, 120_000);

afterAll(async () => {
  await dockerd[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const SAME: string[] = [
  "ps",
  "ps -aq",
  "ps --no-trunc",
  "ps -s",
  "ps --format json",
  "ps --format table\\t{{.ID}}\\t{{.Names}}",
  "ps --format {{.Foo}}",
  "ps --format {{.Foo",
  "ps --filter foo",
  "container ls --filter name=c1",
  "images",
  "images --digests --no-trunc",
  "images --format json",
  "image ls -q",
  "history busybox",
  "history --format json --no-trunc busybox",
  "inspect c1",
  "inspect busybox",
  "inspect c1 nosuch",
  "inspect --type foo c1",
  "inspect -f {{.State.Status}}{{.Config.Env}}{{.HostConfig.Binds}} c1",
  "inspect -f {{.Foo}} c1",
  "inspect -f {{json.State}} c1",
  "logs c1",
  "logs -t --tail 1 c1",
  "logs --since foo c1",
  "top c1 -o pid,comm",
  "port c1",
  "exec c1 sh -c exit\\t7",
  "exec c1 nosuch",
  "run --rm --network none busybox nosuch",
  "run --rm --network none busybox /etc",
  "run --foo busybox",
  "run --memory abc busybox",
  "run --mount foo busybox",
  "run --ulimit foo busybox",
  "run --device foo:bar:baz busybox",
  "run --env-file /nosuch busybox",
  "run --restart always --rm busybox",
  "run --network none -it busybox",
  "run",
  "rm",
  "rm nosuch",
  "rm -f nosuch",
  "rmi nosuch",
  "tag busybox B",
  "container foo",
  "-z",
  "cp c1:/nosuch .",
  "cp a b",
  "cp /etc c1:/etc/passwd/",
  "save nosuch",
  "load -i /nosuch",
  "container prune --filter foo",
  "system df",
  "-H unix:///nosuch ps",
  "-H foo://bar ps",
  "--context nosuch ps",
];

test.each(SAME)("%s is answered as by the real client", (line) => {
  const words = line.split(" ").map((word) => word.replaceAll("\\t", line.startsWith("exec") ? " " : "\t"));
  let [ours, theirs] = [tsd(words), docker(words)];
  // "1 second ago" may have become "2 seconds ago" between the two.
  for (
    let n = 0;
    n < 3 && /^(ps|container ls|images|image ls|history)\b/.test(line) && !Bun.deepEquals(ours, theirs);
    n++
  )
    [ours, theirs] = [tsd(words), docker(words)];
  expect(ours).toEqual(theirs);
});

test("run passes output, errors, input and status", () => {
  const words = [
    "run",
    "--rm",
    "-i",
    "--network",
    "none",
    "-e",
    "A=1",
    "-w",
    "/tmp",
    "busybox",
    "sh",
    "-c",
    "cat; pwd; echo $A >&2; exit 3",
  ];
  expect(tsd(words, "typed\n")).toEqual({ out: "typed\n/tmp\n", err: "1\n", status: 3 });
});

test("a large stream arrives whole", () => {
  const words = ["run", "--rm", "--network", "none", "busybox", "sh", "-c", "seq 1 300000; seq 1 20 >&2"];
  expect(tsd(words)).toEqual(docker(words));
}, 30_000);

test("cp brings a folder out and in again as the real client does", () => {
  expect(tsd(["cp", "c1:/etc", "ours"]).status).toBe(0);
  expect(docker(["cp", "c1:/etc", "theirs"]).status).toBe(0);
  expect(run(["diff", "-r", "ours", "theirs"])).toEqual({ out: "", err: "", status: 0 });
  writeFileSync(join(folder, "file"), "text");
  expect(tsd(["cp", "file", "c1:/tmp/renamed"]).status).toBe(0);
  expect(tsd(["cp", "ours/.", "c1:/tmp/new"]).status).toBe(0);
  expect(tsd(["exec", "c1", "cat", "/tmp/renamed", "/tmp/new/passwd"]).out).toBe(
    `text${readFileSync(join(folder, "ours/passwd"), "utf8")}`,
  );
});

test("save, remove and load give the image back", () => {
  expect(tsd(["tag", "busybox", "other:1"]).status).toBe(0);
  expect(tsd(["save", "-o", "other.tar", "other:1"]).status).toBe(0);
  expect(tsd(["rmi", "other:1"]).out).toBe("Untagged: other:1\n");
  expect(tsd(["load", "-i", "other.tar"]).out).toBe("Loaded image: other:1\n");
});

test("create, start -a, wait, rename, stop, kill and rm", () => {
  const words = ["create", "--name", "c2", "--network", "none", "busybox", "sh", "-c", "echo hi; exit 4"];
  expect(tsd(words).out).toMatch(/^[0-9a-f]{64}\n$/);
  expect(tsd(["start", "-a", "c2"])).toEqual({ out: "hi\n", err: "", status: 4 });
  expect(tsd(["wait", "c2"]).out).toBe("4\n");
  expect(tsd(["rename", "c2", "c3"]).status).toBe(0);
  expect(tsd(["stop", "-t", "1", "c3"]).out).toBe("c3\n");
  expect(tsd(["kill", "c3"])).toEqual(docker(["kill", "c3"]));
  expect(tsd(["rm", "c3"]).out).toBe("c3\n");
  expect(tsd(["container", "prune"], "n\n")).toEqual(docker(["container", "prune"], "n\n"));
});
