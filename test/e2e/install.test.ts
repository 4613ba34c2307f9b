/** `tsd install` and `tsd uninstall` of the built file, below a folder of the test's. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
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
  const done = install();
  expect(done).toMatchObject({ status: 0, stderr: "" });
  expect(readlinkSync(join(prefix, "bin/tsrunc"))).toBe("tsd");
  expect(run(join(prefix, "bin/tsrunc"), "--version").stdout).toStartWith("tsrunc version");
  expect(readdirSync(join(prefix, "bin"))).not.toContain("docker");
  // Each by its place: a program and its completions have the same name.
  const [first, ...list] = done.stdout.trimEnd().split("\n");
  expect(first).toBe(`installed below ${prefix}:`);
  const made = everything().filter((path) => !lstatSync(join(prefix, path)).isDirectory());
  expect(list.toSorted()).toEqual(
    made
      .filter((path) => path !== "lib/tsd/manifest.json")
      .map((path) => `  ${path}`)
      .toSorted(),
  );
  expect(run(join(prefix, "bin/tsd"), "uninstall", "--prefix", prefix)).toEqual({
    status: 0,
    stdout: [`removed from ${prefix}:`, ...list, ""].join("\n"),
    stderr: "",
  });
  expect(everything()).toEqual([]);
});

test("says in words what the kernel says no to", () => {
  for (const word of ["install", "uninstall"])
    expect(run(TSD, word, "--prefix", "/dev/null/x").stderr).toBe(
      `${word}: open /dev/null/x/lib/tsd/manifest.json: not a directory\n`,
    );
  expect(run(TSD, "install", "--prefix", "/proc/nosuch")).toEqual({
    status: 1,
    stdout: "",
    stderr: "install: mkdir /proc/nosuch: no such file or directory\n",
  });
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

test("puts no name through a folder or link that stands in its place, and leaves no half", () => {
  mkdirSync(join(prefix, "bin"));
  mkdirSync(join(prefix, "bin/tsd"));
  expect(install()).toMatchObject({ status: 1 });
  rmdirSync(join(prefix, "bin/tsd"));
  const elsewhere = join(prefix, "nowhere");
  symlinkSync(elsewhere, join(prefix, "bin/tsd"));
  expect(install().stderr).toContain("bin/tsd exists and is not ours: nothing was installed");
  expect(everything().sort()).toEqual(["bin", "bin/tsd"]);
  rmSync(join(prefix, "bin/tsd"));
  // A folder cannot be made: what was made before it goes again.
  writeFileSync(join(prefix, "share"), "a file");
  const failed = install();
  expect(failed.status).toBe(1);
  expect(everything().sort()).toEqual(["bin", "share"]);
});

test("is undone after an upgrade, also one that was cut short", () => {
  const newer = join(prefix, "newer");
  expect(install("--drop-in").status).toBe(0);
  const old = readFileSync(join(prefix, "bin/tsd"));
  writeFileSync(newer, Buffer.concat([old, Buffer.from("\n")]), { mode: 0o755 });
  const running = Bun.spawn([join(prefix, "bin/tsrunc"), "events"], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  expect(run(newer, "install", "--prefix", prefix)).toMatchObject({ status: 0, stderr: "" });
  running.kill();
  expect(lstatSync(join(prefix, "bin/tsd")).size).toBe(old.length + 1);
  // As after a power cut between the note and the file: the older one is back.
  const note = join(prefix, "lib/tsd/manifest.json");
  const { entries, ...rest } = JSON.parse(readFileSync(note, "utf8")) as {
    entries: { path: string; marks: string[] }[];
  };
  entries
    .find(({ path }) => path === join(prefix, "bin/tsd"))!
    .marks.push(`sha256:${new Bun.CryptoHasher("sha256").update(old).digest("hex")}`);
  writeFileSync(note, JSON.stringify({ ...rest, entries }));
  rmSync(join(prefix, "bin/tsd"));
  writeFileSync(join(prefix, "bin/tsd"), old, { mode: 0o755 });
  rmSync(newer);
  expect(run(TSD, "uninstall", "--prefix", prefix)).toMatchObject({ status: 0, stderr: "" });
  expect(everything()).toEqual([]);
});

test("is led nowhere by its list of files", () => {
  expect(install().status).toBe(0);
  const victim = join(prefix, "../victim");
  writeFileSync(victim, "");
  const note = join(prefix, "lib/tsd/manifest.json");
  const manifest = JSON.parse(readFileSync(note, "utf8"));
  const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  for (const path of [victim, `${prefix}/../victim`]) {
    writeFileSync(
      note,
      JSON.stringify({ ...manifest, entries: [...manifest.entries, { path, marks: [empty] }] }),
    );
    const refused = run(TSD, "uninstall", "--prefix", prefix);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("which is not below");
    expect(existsSync(victim)).toBe(true);
    expect(existsSync(join(prefix, "bin/tsd"))).toBe(true);
  }
  rmSync(victim);
});

test("can be used by others whatever root's umask is, below a path with spaces", () => {
  const spaced = join(prefix, "a b %c");
  const done = run("sh", "-c", 'umask 077; exec "$@"', "sh", TSD, "install", "--systemd", "--prefix", spaced);
  expect(done).toMatchObject({ status: 0, stderr: "" });
  expect(lstatSync(join(spaced, "bin")).mode & 0o777).toBe(0o755);
  expect(lstatSync(join(spaced, "share/bash-completion/completions/tsd")).mode & 0o777).toBe(0o644);
  expect(readFileSync(join(spaced, "lib/systemd/system/tsd.service"), "utf8")).toContain(
    `ExecStart="${spaced.replace("%", "%%")}/bin/tsd" daemon -H fd://\n`,
  );
  expect(run(TSD, "uninstall", "--prefix", spaced).status).toBe(0);
  expect(everything()).toEqual([]);
});

test("says in one sentence that it needs to be root", () => {
  chmodSync(prefix, 0o755);
  const before = everything();
  const done = run(
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    TSD,
    "install",
    "--prefix",
    prefix,
  );
  expect(done.status).toBe(1);
  expect(done.stderr).toBe(
    `install: ${prefix}/lib cannot be written: run it as root, or name another --prefix\n`,
  );
  expect(everything()).toEqual(before);
});

test("gives completions that zsh and fish load and follow", () => {
  expect(install().status).toBe(0);
  const zsh = run(
    "zsh",
    "-fc",
    'fpath=("$0/share/zsh/site-functions" $fpath); autoload -Uz compinit && compinit -u -D && print $_comps[tsd] && autoload +X _tsd',
    prefix,
  );
  expect(zsh).toEqual({ status: 0, stdout: "_tsd\n", stderr: "" });
  const file = join(prefix, "share/fish/vendor_completions.d/tsd.fish");
  const fish = (line: string) =>
    run("env", `HOME=${prefix}`, "fish", "--no-config", "-c", `source ${file}; complete -C '${line}'`).stdout;
  expect(fish("tsd conta")).toBe("container\tManage containers\n");
  expect(fish("tsd container pru")).toStartWith("prune\t");
  expect(fish("tsd run --network-a")).toStartWith("--network-alias\t");
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

test("completes what a verb's arguments are names of", () => {
  expect(install().status).toBe(0);
  const bin = join(prefix, "says-names");
  mkdirSync(bin);
  writeFileSync(
    join(bin, "tsd"),
    "#!/bin/sh\ncase $1 in network) echo n1 ;; ps) echo c1 ;; images) echo i1 ;; esac\n",
    {
      mode: 0o755,
    },
  );
  const bash = (...line: string[]) => {
    const script = `. ${prefix}/share/bash-completion/completions/tsd; COMP_WORDS=(tsd "$@"); COMP_CWORD=$#; _tsd; echo "\${COMPREPLY[@]}"`;
    return run("env", `PATH=${bin}:${process.env.PATH}`, "bash", "-c", script, "bash", ...line).stdout.trim();
  };
  const file = join(prefix, "share/fish/vendor_completions.d/tsd.fish");
  const fish = (...line: string[]) => {
    const script = `source ${file}; complete -C '${["tsd", ...line].join(" ")}'`;
    const words = ["fish", "--no-config", "-c", script];
    return run("env", `HOME=${prefix}`, `PATH=${bin}:${process.env.PATH}`, ...words).stdout.trim();
  };
  for (const [line, names] of [
    [["network", "rm", ""], "n1"],
    [["network", "inspect", "n1", ""], "n1"],
    [["network", "create", ""], ""],
    [["rm", "-f", ""], "c1"],
    [["container", "rm", ""], "c1"],
    [["image", "rm", ""], "i1"],
  ] as const) {
    expect([line, bash(...line)]).toEqual([line, names]);
    expect([line, fish(...line)]).toEqual([line, names]);
  }
  expect(bash("network", "connect", "")).toBe("n1");
  expect(bash("network", "connect", "n1", "")).toBe("c1");
  expect(bash("run", "--network", "")).toBe("n1");
  expect(fish("network", "connect", "").split("\n").sort()).toEqual(["c1", "n1"]);
});
