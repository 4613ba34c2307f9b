/** `tsd install` and `tsd uninstall` of the built file, below a folder of the test's. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TSD = join(import.meta.dir, "../../dist/tsd");
let prefix: string;

beforeEach(() => {
  prefix = mkdtempSync(join(tmpdir(), "install-"));
});
afterEach(() => rmSync(prefix, { recursive: true, force: true }));

function run(...command: string[]): { status: number; stdout: string; stderr: string } {
  const done = Bun.spawnSync(command);
  return { status: done.exitCode, stdout: done.stdout.toString(), stderr: done.stderr.toString() };
}
const install = (...flags: string[]) => run(TSD, "install", "--prefix", prefix, ...flags);
const everything = () => readdirSync(prefix, { recursive: true }) as string[];

test("installs itself and its own names, and takes all of it away again", () => {
  expect(install()).toMatchObject({ status: 0, stderr: "" });
  expect(readlinkSync(join(prefix, "bin/tsrunc"))).toBe("tsd");
  expect(run(join(prefix, "bin/tsrunc"), "--version").stdout).toStartWith("tsrunc version");
  expect(readdirSync(join(prefix, "bin"))).not.toContain("docker");
  expect(run(join(prefix, "bin/tsd"), "uninstall", "--prefix", prefix).status).toBe(0);
  expect(everything()).toEqual([]);
});

test("makes other programs' names and units only when told", () => {
  expect(install("--drop-in", "--systemd").status).toBe(0);
  expect(run(join(prefix, "bin/docker"), "--version").stdout).toStartWith("Docker version");
  expect(readFileSync(join(prefix, "lib/systemd/system/ts-shim.service"), "utf8")).toContain("Delegate=yes");
  expect(run(TSD, "uninstall", "--prefix", prefix).status).toBe(0);
  expect(everything()).toEqual([]);
});

test("replaces no file that is not its own, nor writes through a link", () => {
  const victim = join(prefix, "victim");
  writeFileSync(victim, "mine");
  expect(install().status).toBe(0);
  rmSync(join(prefix, "bin/tsrunc"));
  symlinkSync(victim, join(prefix, "bin/tsrunc"));
  const again = install("--drop-in");
  expect(again.status).toBe(1);
  expect(again.stderr).toContain("bin/tsrunc exists and is not ours: nothing was installed");
  expect(existsSync(join(prefix, "bin/docker"))).toBe(false);
  expect(run(TSD, "uninstall", "--prefix", prefix).stderr).toContain("it was changed after it was installed");
  expect(readFileSync(victim, "utf8")).toBe("mine");
  expect(lstatSync(join(prefix, "bin/tsrunc")).isSymbolicLink()).toBe(true);
});

test("leaves alone what is already as it should be", () => {
  expect(install().status).toBe(0);
  const before = lstatSync(join(prefix, "bin/tsd")).ino;
  expect(run(join(prefix, "bin/tsd"), "install", "--prefix", prefix).status).toBe(0);
  expect(lstatSync(join(prefix, "bin/tsd")).ino).toBe(before);
});

test("gives completions that their shells accept", () => {
  expect(install().status).toBe(0);
  expect(run("bash", "-n", join(prefix, "share/bash-completion/completions/tsd")).stderr).toBe("");
  const words = run(
    "bash",
    "-c",
    `. ${prefix}/share/bash-completion/completions/tsd; COMP_WORDS=(tsd con); COMP_CWORD=1; _tsd; echo "\${COMPREPLY[@]}"`,
  );
  expect(words.stdout).toBe("container\n");
});
