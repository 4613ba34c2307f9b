/** The daemon as a process: its sockets, its locks, its signals. */
import { afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { groupId } from "../../src/engine/daemon/listen.ts";
import { Daemon, until } from "../support/daemon.ts";
import { Stack } from "../support/stack.ts";

const scratch: string[] = [];
afterEach(() => {
  for (const folder of scratch.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "daemon-test-"));
  scratch.push(path);
  return path;
}

async function refusal(daemon: Daemon, options: Parameters<Daemon["start"]>[0] = {}): Promise<string> {
  await daemon.start({ ...options, wait: false });
  expect(await daemon.exited()).toBe(1);
  return daemon.log;
}

describe("the unix socket", () => {
  test("is root's and docker's alone, and goes with the daemon", async () => {
    await using daemon = await new Daemon().start();
    const { mode, uid, gid } = statSync(daemon.socket);
    const docker = groupId("docker");
    expect([mode & 0o777, uid, gid]).toEqual(docker === undefined ? [0o600, 0, 0] : [0o660, 0, docker]);
    expect(readFileSync(join(daemon.folder, "pid"), "utf8")).toBe(String(daemon.pid));
    expect(await daemon.stop()).toBe(0);
    expect(existsSync(daemon.socket)).toBe(false);
    expect(existsSync(join(daemon.folder, "pid"))).toBe(false);
    expect(daemon.log).toContain("Daemon shutdown complete");
  }, 30_000);

  test("is root's alone, with a warning, when the group does not exist", async () => {
    await using daemon = await new Daemon().start({ args: ["--group", "nosuchgroup"] });
    expect(statSync(daemon.socket).mode & 0o777).toBe(0o600);
    expect(daemon.log).toContain("group nosuchgroup not found");
  }, 30_000);

  test("of a killed daemon is taken over; one that answers is not", async () => {
    await using daemon = await new Daemon().start();
    await daemon.stop("SIGKILL");
    expect(existsSync(daemon.socket)).toBe(true);
    await daemon.start();
    expect((await daemon.request("/_ping")).status).toBe(200);

    await using other = new Daemon();
    const log = await refusal(other, { hosts: [`unix://${daemon.socket}`] });
    expect(log).toContain("another daemon is listening on it");
    expect((await daemon.request("/_ping")).status).toBe(200);
  }, 40_000);

  test("never replaces a file that is no socket", async () => {
    const path = join(folder(), "file");
    writeFileSync(path, "precious");
    await using daemon = new Daemon();
    expect(await refusal(daemon, { hosts: [`unix://${path}`] })).toContain("it exists and is not a socket");
    expect(readFileSync(path, "utf8")).toBe("precious");
  }, 30_000);
});

describe("a start that is refused", () => {
  const long = "x".repeat(120);
  const dir = (daemon: Daemon) => daemon.folder;
  const refused: [what: string, options: (daemon: Daemon) => Parameters<Daemon["start"]>[0], says: string][] =
    [
      ["everyone's address", () => ({ hosts: ["foo"] }), "refusing to listen on tcp://foo:2375 without TLS"],
      [
        "a certificate that is not there",
        () => ({ hosts: ["tcp://0.0.0.0:23764"], args: ["--tls", "--tlscert", "/nosuch/cert.pem"] }),
        'could not read the certificate "/nosuch/cert.pem": open: no such file or directory\n',
      ],
      [
        "an address of another machine",
        () => ({ hosts: ["tcp://192.0.2.1:23764"], args: ["--tls=false"] }),
        "could not listen on tcp://192.0.2.1:23764: cannot assign requested address\n",
      ],
      [
        "a socket's path that the kernel does not take",
        () => ({ hosts: [`unix:///tmp/${long}`] }),
        `can't create unix socket /tmp/${long}: the path is too long by 18 bytes\n`,
      ],
      [
        "a socket where none can be",
        (daemon) => ({ hosts: [`unix://${dir(daemon)}/new/api.sock`, "unix:///proc/nosuch/x"] }),
        "can't create unix socket /proc/nosuch/x: mkdir: no such file or directory\n",
      ],
      [
        "an exec root of a path too long for sockets",
        (daemon) => ({ args: ["--exec-root", join(dir(daemon), long)] }),
        `/${long} is too long by`,
      ],
      [
        "containers kept apart without the rules for it",
        () => ({ args: ["--icc=false", "--iptables=false"] }),
        "You specified --iptables=false with --icc=false",
      ],
      [
        "address pools that make no sense",
        () => ({ args: ["--default-address-pool", "base=10.9.0.0/24,size=16"] }),
        "has a smaller prefix (/24) than the target size of that pool (/16)",
      ],
      [
        "a data root where none can be",
        () => ({ args: ["--data-root", "/proc/nosuch"] }),
        "could not make the data root /proc/nosuch: mkdir: no such file or directory\n",
      ],
      [
        "a PID file where none can be",
        () => ({ args: ["--pidfile", "/proc/nosuch"] }),
        "could not write the PID file /proc/nosuch: open: no such file or directory\n",
      ],
    ];
  test.each(refused)("leaves nothing behind: %s", async (_, options, says) => {
    await using daemon = new Daemon();
    expect(await refusal(daemon, options(daemon))).toContain(says);
    expect(readdirSync(daemon.folder)).toEqual([]);
  });

  test("leaves what was there", async () => {
    await using daemon = await new Daemon().start();
    await daemon.stop();
    const files = () => readdirSync(join(daemon.folder, "data")).sort();
    const before = files();
    await refusal(daemon, { hosts: ["tcp://192.0.2.1:23764"], args: ["--tls=false"] });
    expect(files()).toEqual(before);
    expect(before).toContain("tsd.lock");
    await daemon.start();
  }, 30_000);
});

describe("roots", () => {
  test("a second daemon on the same data root is refused, on another one it runs beside", async () => {
    await using daemon = await new Daemon().start();
    const second = new Daemon(daemon.folder);
    const log = await refusal(second, { hosts: [`unix://${daemon.folder}/second.sock`] });
    expect(log).toContain(`another daemon (pid ${daemon.pid}) uses the data root`);
    await using other = await new Daemon().start();
    expect((await other.request("/_ping")).status).toBe(200);
    expect((await daemon.request("/_ping")).status).toBe(200);
  }, 40_000);
});

test("containers' folders lie apart, where the file system can have it so", async () => {
  const spread = (path: string): boolean =>
    /^\S*T/.test(Bun.spawnSync(["lsattr", "-d", path]).stdout.toString());
  const own = folder();
  const can = Bun.spawnSync(["chattr", "+T", own], { stderr: "ignore" }).success;
  await using daemon = await new Daemon().start();
  for (const name of ["snapshots", "containers"]) expect(spread(join(daemon.folder, "data", name))).toBe(can);
}, 30_000);

describe("tcp", () => {
  test.each(["nftables", "iptables"])("without rules still names %s, which was chosen", async (backend) => {
    const args = ["--iptables=false", "--ip6tables=false", "--bridge=none", `--firewall-backend=${backend}`];
    await using daemon = await new Daemon().start({ args });
    const info = (await (await daemon.request("/info")).json()) as { FirewallBackend: object };
    expect(info.FirewallBackend).toEqual({ Driver: backend });
  });

  test("is served on loopback, and refused elsewhere without TLS", async () => {
    await using daemon = await new Daemon().start({ hosts: ["tcp://127.0.0.1:23761"] });
    expect(await (await fetch("http://127.0.0.1:23761/_ping")).text()).toBe("OK");
    expect(daemon.log).toContain("without encryption");
    await daemon.stop();
    await using open = new Daemon();
    expect(await refusal(open, { hosts: ["tcp://0.0.0.0:23762"] })).toContain(
      "refusing to listen on tcp://0.0.0.0:23762 without TLS",
    );
  }, 40_000);

  test("with TLS wants a client's certificate of its CA", async () => {
    const dir = folder();
    const openssl = (...args: string[]) => {
      const done = Bun.spawnSync(["openssl", ...args], { cwd: dir, stderr: "pipe" });
      if (!done.success) throw new Error(done.stderr.toString());
    };
    openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "ca-key.pem",
      "-out",
      "ca.pem",
      "-days",
      "2",
      "-subj",
      "/CN=ca",
    );
    for (const name of ["server", "client"]) {
      openssl(
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        `${name}-key.pem`,
        "-out",
        `${name}.csr`,
        "-subj",
        `/CN=${name}`,
      );
      writeFileSync(join(dir, "ext"), "subjectAltName=IP:127.0.0.1");
      openssl(
        "x509",
        "-req",
        "-in",
        `${name}.csr`,
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca-key.pem",
        "-CAcreateserial",
        "-out",
        `${name}.pem`,
        "-days",
        "2",
        "-extfile",
        "ext",
      );
    }
    const at = (name: string) => join(dir, name);
    const args = [
      "--tlsverify",
      "--tlscacert",
      at("ca.pem"),
      "--tlscert",
      at("server.pem"),
      "--tlskey",
      at("server-key.pem"),
    ];
    await using daemon = await new Daemon().start({ hosts: ["tcp://127.0.0.1:23763"], args });
    const docker = (...flags: string[]) =>
      Bun.spawnSync([
        "docker",
        "-H",
        "tcp://127.0.0.1:23763",
        ...flags,
        "version",
        "--format",
        "{{.Server.APIVersion}}",
      ]);
    const known = docker(
      "--tlsverify",
      "--tlscacert",
      at("ca.pem"),
      "--tlscert",
      at("client.pem"),
      "--tlskey",
      at("client-key.pem"),
    );
    expect(known.stdout.toString().trim()).toBe("1.55");
    expect(docker("--tls", "--tlscacert", at("ca.pem")).success).toBe(false);
    await daemon.stop();
  }, 60_000);
});

describe("systemd", () => {
  test("hands over its socket, and hears when the daemon is ready", async () => {
    const dir = folder();
    const script = join(dir, "activate.py");
    // What systemd does: a listening socket as fd 3, and a datagram socket for states.
    writeFileSync(
      script,
      `import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(8)
os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="api")
os.execvp(sys.argv[2], sys.argv[2:])
`,
    );
    chmodSync(script, 0o755);
    const states = join(dir, "states");
    const listener = Bun.spawn(
      [
        "python3",
        "-c",
        `import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(${JSON.stringify(states)}); print("bound", flush=True)
while True: print(s.recv(100).decode(), flush=True)`,
      ],
      { stdout: "pipe" },
    );
    using _ = { [Symbol.dispose]: () => listener.kill() };
    let heard = "";
    void (async () => {
      for await (const chunk of listener.stdout) heard += new TextDecoder().decode(chunk);
    })();
    await until(() => heard.includes("bound"), "the states' socket");
    await using daemon = new Daemon();
    await daemon.start({
      hosts: ["fd://"],
      under: ["python3", script, daemon.socket],
      env: { NOTIFY_SOCKET: states },
    });
    expect((await daemon.docker("version")).status).toBe(0);
    await until(() => heard.includes("READY=1"), "READY=1");
    expect(await daemon.stop()).toBe(0);
    await until(() => heard.includes("STOPPING=1"), "STOPPING=1");
    // The socket is systemd's.
    expect(existsSync(daemon.socket)).toBe(true);
  }, 40_000);

  test("is missed with its own words", async () => {
    await using daemon = new Daemon();
    expect(await refusal(daemon, { hosts: ["fd://"] })).toContain("no sockets found via socket activation");
  }, 30_000);
});

describe("signals", () => {
  test("SIGHUP takes over what the file says anew", async () => {
    const file = join(folder(), "daemon.json");
    writeFileSync(file, '{"debug":false,"registry-mirrors":["https://a.example/"]}');
    await using daemon = await new Daemon().start({ args: ["--config-file", file] });
    const info = async () =>
      (await (await daemon.request("/info")).json()) as {
        Debug: boolean;
        RegistryConfig: { Mirrors: string[] };
      };
    expect((await info()).Debug).toBe(false);
    writeFileSync(file, '{"debug":true,"registry-mirrors":["https://b.example/"]}');
    daemon.signal("SIGHUP");
    await until(() => daemon.log.includes("Reloaded configuration"), "the reload");
    const after = await info();
    expect([after.Debug, after.RegistryConfig.Mirrors]).toEqual([true, ["https://b.example/"]]);
    writeFileSync(file, "{");
    daemon.signal("SIGHUP");
    await until(() => daemon.log.includes("unexpected EOF"), "the complaint");
    expect((await info()).Debug).toBe(true);
  }, 30_000);

  test("SIGTERM leaves containers running, unless --live-restore=false", async () => {
    await using daemon = await new Daemon().start();
    await daemon.docker("pull", "-q", "hello");
    const archive = busyboxArchive(folder());
    expect((await daemon.docker("import", archive, "busybox:latest")).status).toBe(0);
    const run = await daemon.docker(
      "run",
      "-d",
      "--network",
      "none",
      // It does not hear the signal that asks it to end.
      "--stop-timeout",
      "2",
      "--name",
      "stays",
      "busybox:latest",
      "/bin/sleep",
      "1000",
    );
    expect(run.stderr + run.status).toBe("0");
    const pid = (await daemon.docker("inspect", "-f", "{{.State.Pid}}", "stays")).stdout.trim();
    await daemon.stop();
    expect(existsSync(`/proc/${pid}`)).toBe(true);

    await daemon.start({ args: ["--live-restore=false"] });
    expect(
      (await daemon.docker("inspect", "-f", "{{.State.Pid}} {{.State.Status}}", "stays")).stdout.trim(),
    ).toBe(`${pid} running`);
    await daemon.docker("stop", "-t", "0", "nosuch");
    expect(await daemon.stop()).toBe(0);
    await until(() => !existsSync(`/proc/${pid}`), "the container to end");
    await daemon.start();
    expect((await daemon.docker("inspect", "-f", "{{.State.Status}}", "stays")).stdout.trim()).toBe("exited");
  }, 90_000);
});

function busyboxArchive(dir: string): string {
  const path = join(dir, "busybox.tar");
  const made = Bun.spawnSync(
    [
      "sh",
      "-c",
      `mkdir -p root/bin && cp /bin/busybox root/bin/ && ln -s busybox root/bin/sleep && ln -s busybox root/bin/sh && tar -C root -cf ${path} .`,
    ],
    { cwd: dir },
  );
  if (!made.success) throw new Error(made.stderr.toString());
  return path;
}

describe("the roots", () => {
  test("where others could plant a link are refused", async () => {
    for (const name of ["data", "exec"]) {
      const daemon = new Daemon(folder());
      const root = join(daemon.folder, name);
      mkdirSync(root);
      chmodSync(root, 0o777);
      expect(await refusal(daemon)).toContain(
        `the ${name} root ${root} is writable by others than root (mode 777)`,
      );
      chmodSync(root, 0o700);
      chownSync(root, 65534, 0);
      expect(await refusal(daemon)).toContain(
        `the ${name} root ${root} belongs to user 65534, and must be root's`,
      );
      chmodSync(root, 0o770);
      chownSync(root, 0, 65534);
      expect(await refusal(daemon)).toContain("(mode 770)");
    }
  }, 30_000);

  test("hold nothing that others can read, whatever the umask", async () => {
    await using stack = await Stack.start({
      args: ["--bridge", "none"],
      under: ["sh", "-c", 'umask 0; exec "$@"', "sh"],
    });
    await stack.run(["--network", "none", "--name", "one"], "sleep 1000");
    await stack.run(["--network", "none", "--name", "two", "-it"], "sleep 1000");
    await stack.ok("exec", "-d", "one", "sleep", "1000");
    const exec = join(stack.folder, "exec");
    const modeOf = (path: string): number => statSync(path).mode & 0o777;
    expect(modeOf(exec)).toBe(0o711);
    expect(modeOf(join(stack.folder, "data")).toString(8)).toBe("710");
    const found = readdirSync(exec, { recursive: true, encoding: "utf8" });
    // A record, an exit and a socket of each.
    expect(found.filter((name) => name.endsWith(".sock")).length).toBeGreaterThanOrEqual(4);
    expect(found.filter((name) => name.endsWith(".exit")).length).toBe(3);
    const open = [...found.map((name) => join(exec, name)), join(stack.folder, "data/tsd.db-wal")].filter(
      (path) => modeOf(path) & 0o077,
    );
    expect(open).toEqual([]);
  }, 60_000);
});
