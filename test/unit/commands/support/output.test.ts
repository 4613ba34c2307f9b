import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "output-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const OUTPUT = join(import.meta.dir, "../../../../src/commands/support/output.ts");
const script = join(folder, "script.ts");
// None, small and large ones, to both descriptors, the last of them right before the end.
writeFileSync(
  script,
  `import { err, flushed, out, writeAll } from ${JSON.stringify(OUTPUT)};
  const line = (letter: string, size: number) => letter.repeat(size - 1) + "\\n";
  out("");
  out(line("a", 10));
  err(line("b", 10));
  out(line("c", 3000));
  out(line("d", 3000));
  writeAll(1, new TextEncoder().encode(line("e", 200_000)));
  err(line("f", 10));
  out(line("g", 10));
  await flushed().catch((error) => process.exit(error.code === "ENOSPC" ? 28 : 1));
  process.exit(0);`,
);
const WANTED = "a9 b9 c2999 d2999 e199999 f9 g9";

const lines = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => `${line[0]}${line.length}`)
    .join(" ");

test("to one file, all of it comes, in the order that it was written in", async () => {
  const path = join(folder, "file");
  writeFileSync(path, "before\n");
  const fd = openSync(path, "a");
  const child = Bun.spawn([process.execPath, script], { stdio: ["ignore", fd, fd] });
  expect(await child.exited).toBe(0);
  expect(lines(readFileSync(path, "utf8"))).toBe(`b6 ${WANTED}`);
});

/** A pipe whose end is non-blocking and full at first; read slowly. */
const PIPE = `import fcntl, os, subprocess, sys, time
r, w = os.pipe()
if sys.argv[1] == "non-blocking":
    fcntl.fcntl(w, fcntl.F_SETFL, fcntl.fcntl(w, fcntl.F_GETFL) | os.O_NONBLOCK)
    full = os.write(w, b"x" * 1_000_000)
else:
    full = 0
child = subprocess.Popen(sys.argv[2:], stdout=w, stderr=w)
os.close(w)
time.sleep(0.3)
read = b""
while part := os.read(r, 5000):
    read += part
    time.sleep(0.0005)
sys.stdout.buffer.write(read[full:])
sys.exit(child.wait())
`;

test.each(["blocking", "non-blocking"])("to one pipe that is %s and slow, too", async (kind) => {
  const child = Bun.spawn(["python3", "-c", PIPE, kind, process.execPath, script], { stderr: "inherit" });
  expect(lines(await new Response(child.stdout).text())).toBe(WANTED);
  expect(await child.exited).toBe(0);
});

test("a reader that has gone ends it as the signal would, a full device with its error", async () => {
  const gone = Bun.spawn(["sh", "-c", '{ "$@"; echo $? >&2; } | true', "sh", process.execPath, script], {
    stderr: "pipe",
  });
  expect((await new Response(gone.stderr).text()).trim().split("\n").at(-1)).toBe("141");
  const full = Bun.spawn(["sh", "-c", '"$@" >/dev/full', "sh", process.execPath, script], {
    stderr: "ignore",
  });
  expect(await full.exited).not.toBe(0);
});
