/**
 * The field's known ways out of a container, tried on a real kernel: each test fails where the hole is open. Needs
 * root, docker.io (the client) and busybox-static.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Answer, TestEngine } from "./container/engine.ts";

const MINUTE = 60_000;
setDefaultTimeout(MINUTE);
let engine: TestEngine;
let base: string;

const command = (...words: string[]) => Bun.spawnSync(words, { stdin: "ignore" });

/** A static program of these instructions. */
function program(...code: number[]): Uint8Array {
  const file = new Uint8Array(120 + code.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint32(16, 0x003e_0002, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, 0x40_0078n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint32(52, 0x0038_0040, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setUint32(68, 5, true);
  view.setBigUint64(80, 0x40_0000n, true);
  view.setBigUint64(88, 0x40_0000n, true);
  view.setBigUint64(96, BigInt(file.length), true);
  view.setBigUint64(104, BigInt(file.length), true);
  view.setBigUint64(112, 0x1000n, true);
  file.set(code, 120);
  return file;
}

/** neg eax, only where an error is expected; mov edi, eax; mov eax, exit_group; syscall */
const EXIT = [0x89, 0xc7, 0xb8, 231, 0, 0, 0, 0x0f, 0x05];
const EXIT_WITH_ERRNO = [0xf7, 0xd8, ...EXIT];
/** keyctl(0xffff), which Docker's profile has for nobody, as the i386 ABI's call and as x32's. */
const I386 = [0xb8, 0x20, 1, 0, 0, 0xbb, 0xff, 0xff, 0, 0, 0xcd, 0x80, ...EXIT_WITH_ERRNO];
const X32 = [0xb8, 0xfa, 0, 0, 0x40, 0xbf, 0xff, 0xff, 0, 0, 0x0f, 0x05, ...EXIT_WITH_ERRNO];
const GETEUID = [0xb8, 107, 0, 0, 0, 0x0f, 0x05, ...EXIT];

/** An image of busybox's with what `change` does to its folder. */
function image(name: string, change: (root: string) => void = () => {}): void {
  const root = join(engine.folder, `image-${name}`);
  cpSync(base, root, { recursive: true, verbatimSymlinks: true });
  change(root);
  const tar = Bun.spawnSync(["tar", "-C", root, "-c", "."]);
  const load = Bun.spawnSync(["docker", "-H", `unix://${engine.socket}`, "import", "-", name], {
    stdin: tar.stdout,
  });
  expect(load.stderr.toString()).toBe("");
  rmSync(root, { recursive: true });
}

const run = (options: string[], ...words: string[]): Promise<Answer> =>
  engine.run("run", "--rm", "--network", "none", ...options, ...words);
const shell = (options: string[], script: string): Promise<Answer> =>
  run(options, "attack", "sh", "-c", script);

async function background(name: string, options: string[], script = "sleep 1000"): Promise<number> {
  const { err, status } = await engine.run(
    ...["run", "-d", "--name", name, "--network", "none", ...options, "attack", "sh", "-c", script],
  );
  expect({ err: status === 0 ? "" : err, status }).toEqual({ err: "", status: 0 });
  return engine.inspect<number>(name, ".State.Pid");
}

const keeperOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]);

function host(name: string): string {
  const folder = join(engine.folder, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

beforeAll(async () => {
  engine = await TestEngine.open();
  base = host("base");
  for (const folder of ["bin", "dev", "etc", "proc", "sys", "tmp"]) mkdirSync(join(base, folder));
  copyFileSync("/bin/busybox", join(base, "bin/busybox"));
  expect(command("chroot", base, "/bin/busybox", "--install", "-s", "/bin").exitCode).toBe(0);
  writeFileSync(join(base, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  const programs = { i386: program(...I386), x32: program(...X32), euid: program(...GETEUID) };
  for (const [name, bytes] of Object.entries(programs)) {
    writeFileSync(join(base, "bin", name), bytes);
    chmodSync(join(base, "bin", name), name === "euid" ? 0o4755 : 0o755);
  }
  writeFileSync(join(base, "bin/self"), "#!/proc/self/exe\n");
  chmodSync(join(base, "bin/self"), 0o755);
  image("attack");
}, MINUTE);

afterAll(() => engine.close(), MINUTE);

describe("descriptors and the working directory (CVE-2024-21626, CVE-2016-9962)", () => {
  const words = (n: number) => [`/proc/self/fd/${n}/bin/busybox`, "echo", "escaped"];
  const all = Array.from({ length: 60 }, (_, i) => i + 3);

  test(
    "no descriptor leads a container's command to the host",
    async () => {
      for (let at = 0; at < all.length; at += 6) {
        const answers = await Promise.all(
          all.slice(at, at + 6).flatMap((n) => run(n % 2 ? ["--init"] : [], "attack", ...words(n))),
        );
        for (const { out } of answers) expect(out).toBe("");
      }
    },
    MINUTE,
  );

  test(
    "nor an exec's, nor the folder that it begins in, nor the interpreter of its script",
    async () => {
      await background("fds", []);
      const script = all
        .map((n) => `echo '#!/proc/self/fd/${n}/bin/busybox cat' > /tmp/i${n}; chmod 755 /tmp/i${n}`)
        .join("\n");
      expect((await engine.run("exec", "fds", "sh", "-c", script)).status).toBe(0);
      for (const n of all) {
        const [command, folder, interpreter] = await Promise.all([
          engine.run("exec", "fds", ...words(n)),
          engine.run("exec", "-w", `/proc/self/fd/${n}`, "fds", "pwd"),
          engine.run("exec", "fds", `/tmp/i${n}`),
        ]);
        expect([command.status, folder.status, interpreter.status]).not.toContain(0);
        expect(interpreter.out).toBe("");
      }
    },
    MINUTE,
  );

  test(
    "nothing but the streams is open in any process",
    async () => {
      const list = ["ls", "/proc/self/fd"];
      for (const options of [[], ["-t"], ["-i"], ["--init"], ["--init", "-t"]]) {
        expect((await run(options, "attack", ...list)).out.split(/\s+/).filter(Boolean)).toEqual([..."0123"]);
      }
      for (const options of [[], ["-t"], ["-i"], ["--privileged"], ["-u", "7"]]) {
        const { out } = await engine.run("exec", ...options, "fds", ...list);
        expect(out.split(/\s+/).filter(Boolean)).toEqual([..."0123"]);
      }
      // Init closes what its start needed when the command runs already.
      const once =
        'for i in 1 2 3 4 5 6 7 8 9; do [ "$(ls /proc/1/fd | wc -l)" = 3 ] || sleep 0.1; done; ls /proc/1/fd';
      expect((await shell(["--init"], once)).out).toBe("0\n1\n2\n");
    },
    MINUTE,
  );

  test("signals, mask and umask are as a new process should have them", async () => {
    const status = ["grep", "-E", "^(Sig(Blk|Ign)|Umask|CapInh|CapAmb)", "/proc/self/status"];
    const clean = `Umask:\t0022\nSigBlk:\t${"0".repeat(16)}\nSigIgn:\t${"0".repeat(16)}\nCapInh:\t${"0".repeat(16)}\nCapAmb:\t${"0".repeat(16)}\n`;
    expect((await run([], "attack", ...status)).out).toBe(clean);
    expect((await run(["-u", "7"], "attack", ...status)).out).toBe(clean);
    expect((await engine.run("exec", "fds", ...status)).out).toBe(clean);
  });
});

describe("the program that starts containers (CVE-2019-5736)", () => {
  test("cannot be written to from the pid 1 that it is", async () => {
    const { out } = await shell(
      ["--init"],
      "echo x 2>/dev/null >> /proc/1/exe && echo written; dd if=/bin/busybox of=/proc/1/exe bs=1 count=1 conv=notrunc 2>/dev/null && echo written",
    );
    expect(out).toBe("");
    expect((await shell(["--init"], "echo fine")).out).toBe("fine\n");
  });

  test("does nothing as a script's interpreter", async () => {
    expect((await run([], "attack", "/bin/self")).status).not.toBe(0);
    expect((await engine.run("exec", "fds", "/bin/self")).status).not.toBe(0);
    expect((await shell([], "echo fine")).out).toBe("fine\n");
  });
});

describe("mount points (CVE-2019-16884, CVE-2021-30465, CVE-2023-27561, CVE-2024-45310, CVE-2025-31133)", () => {
  test("/proc and /sys are never mounted by way of a link", async () => {
    for (const name of ["proc", "sys"]) {
      image(`link-${name}`, (root) => {
        rmSync(join(root, name), { recursive: true });
        symlinkSync("/tmp", join(root, name));
      });
      const { status, err } = await run([], `link-${name}`, "true");
      expect(status).not.toBe(0);
      expect(err).toContain("ordinary directory");
    }
  });

  test("nothing is mounted over what is in /proc, whatever leads there (CVE-2019-16884, CVE-2019-19921)", async () => {
    image("link-in-proc", (root) => symlinkSync("/proc/self/attr/current", join(root, "etc/hosts")));
    const folder = host("over-proc");
    const inside = "cannot be mounted because it is inside /proc";
    const cases: [image: string, target: string, reason: string][] = [
      ["attack", "/proc", '"/proc" cannot be mounted because it is not of type proc'],
      ["attack", "/proc/self/attr", inside],
    ];
    for (const [name, target, reason] of cases) {
      for (const options of [
        ["-v", `${folder}:${target}`],
        ["--tmpfs", target],
      ]) {
        const { status, err } = await run(options, name, "true");
        expect(status).not.toBe(0);
        expect(err).toContain(reason);
      }
    }
    const { status, err } = await run([], "link-in-proc", "true");
    expect(status).not.toBe(0);
    expect(err).toContain(inside);
    image("links-to-proc", (root) => {
      symlinkSync("/proc", join(root, "all"));
      symlinkSync("/proc/sys", join(root, "sysctls"));
    });
    for (const target of ["/all", "/all/self/attr", "/all/acpi", "/sysctls", "/sysctls/net"]) {
      for (const options of [
        ["-v", `${folder}:${target}`],
        ["-v", target],
        ["--tmpfs", target],
      ]) {
        const refused = await run(options, "links-to-proc", "true");
        expect(refused.status).not.toBe(0);
        expect(refused.err).toContain(inside);
      }
    }
    const emulated = join(folder, "cpuinfo");
    writeFileSync(emulated, "one\n");
    const { out } = await run(["-v", `${emulated}:/proc/cpuinfo:ro`], "attack", "cat", "/proc/cpuinfo");
    expect(out).toBe("one\n");
    expect((await run(["-v", "/proc:/proc"], "attack", "test", "-d", "/proc/1/fd")).status).toBe(0);
  });

  test("a link to outside stays inside, and what it names is made there", async () => {
    const name = `tsd-${crypto.randomUUID()}`;
    image("link-out", (root) => {
      symlinkSync("../../../../../../../tmp", join(root, "out"));
      rmSync(join(root, "dev"), { recursive: true });
      symlinkSync("../../../../../tmp", join(root, "dev"));
      symlinkSync(`../../../../../../../tmp/${name}`, join(root, "etc/resolv.conf"));
    });
    const volume = host("volume");
    writeFileSync(join(volume, "here"), "");
    const { out, err } = await run(
      ["-v", `${volume}:/out/${name}-volume/deep`, "-w", `/out/${name}-cwd`],
      "link-out",
      "sh",
      "-c",
      `ls /tmp/${name}-volume/deep; pwd; grep -c Generated /etc/resolv.conf; head -c 1 /tmp/zero | wc -c`,
    );
    expect({ out, err }).toEqual({ out: `here\n/tmp/${name}-cwd\n1\n1\n`, err: "" });
    expect(readdirSync("/tmp").filter((entry) => entry.startsWith(name) || entry === "zero")).toEqual([]);
  });

  test(
    "nothing is mounted on or made outside while another changes what is on the way",
    async () => {
      const shared = host("shared");
      const outside = host("race");
      const bind = host("marker");
      mkdirSync(join(shared, "folder"));
      symlinkSync(`../../../../../../..${outside}`, join(shared, "link"));
      // What a start made at x meanwhile is in the way of the next swap.
      const swap = (name: string) => `mv -T ${name} x 2>/dev/null || rm -rf x; mv -T x ${name} 2>/dev/null`;
      await background(
        "racer",
        ["-v", `${shared}:/shared`],
        `cd /shared; while true; do ${swap("link")}; ${swap("folder")}; done`,
      );
      let started = 0;
      for (let i = 0; i < 20; i++) {
        const options = ["-v", `${shared}:/shared`, "-v", `${bind}:/shared/x/deep`];
        if ((await shell(options, "true")).status === 0) started++;
      }
      await engine.run("rm", "-f", "racer");
      expect(started).toBeGreaterThan(0);
      expect(readdirSync(outside)).toEqual([]);
      expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(bind);
    },
    MINUTE,
  );

  test("what masks is the host's /dev/null, whatever the image has", async () => {
    image("null", (root) => symlinkSync("/etc/passwd", join(root, "dev/null")));
    const { out } = await run([], "null", "sh", "-c", "cat /proc/keys /proc/timer_list; ls /sys/firmware");
    expect(out).toBe("");
    const mounts = await run([], "null", "grep", " /proc/keys ", "/proc/self/mountinfo");
    expect(mounts.out).toContain(" /null /proc/keys ");
  });

  test("/dev/console is the terminal, of an image with a link there, too (CVE-2025-52565)", async () => {
    image("console", (root) => symlinkSync("/proc/sysrq-trigger", join(root, "dev/console")));
    const { out } = await run(["-t"], "console", "sh", "-c", "tty; ls -l /dev/console");
    expect(out).toContain("/dev/pts/0");
    expect(out).toMatch(/crw-.* 136, +0 .*\/dev\/console/);
  });

  test("kernel settings cannot be written, nor mounts be made, nor namespaces", async () => {
    const { out } = await shell(
      [],
      [
        "echo x 2>/dev/null > /proc/sys/kernel/core_pattern && echo wrote",
        "mount -t tmpfs x /tmp 2>/dev/null && echo mounted",
        "unshare -U true 2>/dev/null && echo unshared",
        "touch /sys/fs/cgroup/x 2>/dev/null && echo cgroup",
        "find /sys/fs/cgroup -name release_agent -exec sh -c 'echo x 2>/dev/null > {}' ';' -exec echo {} ';'",
        "true",
      ].join("\n"),
    );
    expect(out).toBe("");
  });
});

describe("rights", () => {
  test("inheritable capabilities are none (CVE-2022-29162); a user has none but the bounding set", async () => {
    const capabilities = async (...options: string[]) =>
      (await run(options, "attack", "grep", "-E", "Cap(Inh|Prm|Eff|Bnd)", "/proc/self/status")).out
        .split("\n")
        .filter(Boolean)
        .map((line) => line.split("\t")[1]);
    const [none, usual] = ["0".repeat(16), "00000000a80425fb"];
    expect(await capabilities()).toEqual([none, usual, usual, usual]);
    expect(await capabilities("-u", "7")).toEqual([none, none, none, usual]);
    const host = /^CapBnd:\s+(\w+)/m.exec(readFileSync("/proc/self/status", "latin1"))![1]!;
    expect(await capabilities("--privileged")).toEqual([none, host, host, host]);
  });

  test.skipIf(process.arch !== "x64")("the filter holds for every ABI of the machine", async () => {
    expect((await run([], "attack", "/bin/i386")).status).toBe(1);
    expect((await run([], "attack", "/bin/x32")).status).toBe(1);
    expect((await run(["--security-opt", "seccomp=unconfined"], "attack", "/bin/i386")).status).not.toBe(1);
  });

  test.skipIf(process.arch !== "x64")("no-new-privileges stops a setuid file", async () => {
    expect((await run(["-u", "77"], "attack", "/bin/euid")).status).toBe(0);
    const options = ["-u", "77", "--security-opt", "no-new-privileges"];
    expect((await run(options, "attack", "/bin/euid")).status).toBe(77);
  });

  test("device nodes can be made, but those of the host not be opened", async () => {
    const { out } = await shell(
      [],
      "mknod /d b 254 0; mknod /k c 1 11; mknod /m c 1 1; for f in /d /k /m; do head -c 1 $f >/dev/null 2>&1 && echo $f; done; ls /d",
    );
    expect(out).toBe("/d\n");
  });
});

describe("files of an image that the engine reads (/etc/passwd)", () => {
  test(
    "a fifo, a device and a link to one are neither opened nor waited for",
    async () => {
      const kinds: Record<string, (root: string) => void> = {
        fifo: (root) => command("mkfifo", join(root, "etc/passwd")),
        device: (root) => command("mknod", join(root, "etc/passwd"), "c", "1", "5"),
        link: (root) => {
          command("mknod", join(root, "zero"), "c", "1", "5");
          symlinkSync("/zero", join(root, "etc/passwd"));
        },
        host: (root) => symlinkSync("../../../../../../../etc/passwd", join(root, "etc/passwd")),
      };
      for (const [kind, make] of Object.entries(kinds)) {
        image(`passwd-${kind}`, (root) => {
          rmSync(join(root, "etc/passwd"));
          make(root);
        });
        const { err } = await run(["-u", "daemon"], `passwd-${kind}`, "true");
        expect(err).toContain("unable to find user daemon");
      }
    },
    MINUTE,
  );
});

describe("docker cp (CVE-2018-15664)", () => {
  test(
    "writes and reads nothing outside while the container swaps a folder for a link",
    async () => {
      const outside = host("cp-outside");
      writeFileSync(join(outside, "secret"), "secret");
      await background(
        "swapper",
        [],
        `mkdir -p /w/real; ln -s ../../../../../..${outside} /w/link; while true; do mv -T /w/real /w/t; mv -T /w/t /w/real; mv -T /w/link /w/t; mv -T /w/t /w/link; done`,
      );
      const file = join(engine.folder, "planted");
      writeFileSync(file, "planted");
      const taken = host("taken");
      for (let i = 0; i < 25; i++) {
        await engine.run("cp", file, "swapper:/w/t/planted");
        await engine.run("cp", "swapper:/w/t/.", taken);
      }
      expect(readdirSync(outside)).toEqual(["secret"]);
      expect(readdirSync(taken)).not.toContain("secret");
      await engine.run("rm", "-f", "swapper");
    },
    MINUTE,
  );
});

describe("keepers", () => {
  test("heed no signal of a container that sees the host's processes", async () => {
    const pid = await background("kept", []);
    const keeper = keeperOf(pid);
    await shell(["--pid", "host"], `for s in HUP INT TERM USR1 CHLD; do kill -$s ${keeper}; done`);
    expect(keeperOf(pid)).toBe(keeper);
    expect(await engine.inspect<boolean>("kept", ".State.Running")).toBe(true);
  });

  test("have no socket that a container with the host's network could reach (CVE-2020-15257)", async () => {
    const { out } = await engine.run("run", "--rm", "--network", "host", "attack", "cat", "/proc/net/unix");
    expect(out).toContain(join(engine.folder, "run/k"));
    expect(out.split("\n").filter((line) => / @/.test(line) && /tsd|keeper|shim/.test(line))).toEqual([]);
  });

  test("keep nothing of the container's environment", async () => {
    const secret = `secret-${crypto.randomUUID()}`;
    const pid = await background("secretive", ["-e", `KEY=${secret}`]);
    expect(memoryHas(pid, secret)).toBe(true);
    expect(memoryHas(keeperOf(pid), secret)).toBe(false);
  });
});

/** Is the text anywhere in what a process can write to? */
function memoryHas(pid: number, text: string): boolean {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    return readFileSync(`/proc/${pid}/maps`, "latin1")
      .split("\n")
      .filter((line) => / r/.test(line) && !/\[v/.test(line))
      .some((line) => {
        const [from = 0, to = 0] = line
          .split(" ")[0]!
          .split("-")
          .map((word) => Number.parseInt(word, 16));
        const bytes = Buffer.alloc(to - from);
        try {
          readSync(memory, bytes, 0, bytes.length, from);
        } catch {
          return false;
        }
        return bytes.includes(text);
      });
  } finally {
    closeSync(memory);
  }
}

describe("mounts of containers and of the host", () => {
  test("do not meet unless that was asked for; read-only holds for what lies below", async () => {
    const folder = host("tree");
    mkdirSync(join(folder, "below"));
    mkdirSync(join(folder, "made"));
    expect(command("mount", "--bind", folder, folder).exitCode).toBe(0);
    try {
      command("mount", "--make-shared", folder);
      command("mount", "-t", "tmpfs", "tmpfs", join(folder, "below"));
      const all = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"];
      const mount = "mount -t tmpfs inside /m/made";
      expect((await shell([...all, "-v", `${folder}:/m`], mount)).status).toBe(0);
      expect(readFileSync("/proc/mounts", "utf8")).not.toContain("inside");
      expect((await shell(["-v", `${folder}:/m:ro`], "touch /m/x || touch /m/below/x")).status).not.toBe(0);
      expect((await shell([...all, "-v", `${folder}:/m:rshared`], mount)).status).toBe(0);
      expect(readFileSync("/proc/mounts", "utf8")).toContain(`inside ${folder}/made`);
    } finally {
      for (const name of ["made", "below", ""]) command("umount", join(folder, name));
    }
  });

  test("another's processes are joined by what they are, not by a number", async () => {
    await background("joined", []);
    const see = ["--pid", "container:joined"];
    expect((await shell(see, "ps")).out).toContain("sleep 1000");
    await engine.run("kill", "joined");
    expect((await shell(see, "true")).err).toContain("is not running");
  });
});
