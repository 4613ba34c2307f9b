/**
 * Starts that are prepared when a container is created: they are gone on with, or nothing is left of them. Needs root.
 * On a busy machine the time may be over before a test comes to its point: it then tries again.
 */

import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { until } from "../support/daemon.ts";
import { cgroupsOf, processesOf } from "../support/footprint.ts";
import { alive } from "../support/stack.ts";
import { before, stack, useStack } from "./stack-harness.ts";

setDefaultTimeout(120_000);

useStack();

async function post(path: string, body: object = {}): Promise<Response> {
  return stack.daemon.request(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
}

interface Made {
  HostConfig?: object;
  [field: string]: unknown;
}

async function create(body: Made = {}, network = "none"): Promise<string> {
  const { HostConfig, ...config } = body;
  const answer = await post("/containers/create", {
    Image: "busybox",
    Cmd: ["sleep", "1000"],
    ...config,
    HostConfig: { NetworkMode: network, AutoRemove: true, ...HostConfig },
  });
  const { Id, message } = (await answer.json()) as { Id: string; message?: string };
  if (message !== undefined) throw new Error(message);
  stack.ids.add(Id);
  return Id;
}

const start = async (id: string): Promise<number> => (await post(`/containers/${id}/start`)).status;

/** Who is in the container's cgroups, whether it runs or not. */
function inside(id: string): number[] {
  const found = cgroupsOf([id]).flatMap((folder) => {
    try {
      return readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n");
    } catch {
      return [];
    }
  });
  return [...new Set(found.filter(Boolean).map(Number))];
}

/** Its first process, as the stage has made it; undefined when it was dropped before it was seen. */
async function prepared(id: string): Promise<number | undefined> {
  for (const end = Date.now() + 150; Date.now() < end; await Bun.sleep(1)) {
    const [pid] = inside(id);
    if (pid !== undefined) return pid;
  }
  return undefined;
}

/** What a prepared start has and a created container has not. */
function traces(id: string): string[] {
  const short = id.slice(0, 12);
  const files = ["exec/k", "exec/netns", "data/containers"].flatMap((folder) => {
    const path = join(stack.folder, folder);
    return existsSync(path) ? readdirSync(path).filter((name) => name.includes(short)) : [];
  });
  const processes = processesOf(`/none/${id}`, [id]).map(({ words }) => words);
  return [...files, ...processes, ...cgroupsOf([id])];
}

/** Names in the writable layers of all containers. */
function layers(): string[] {
  const snapshots = join(stack.folder, "data/snapshots");
  const own = readdirSync(snapshots).filter((name) => existsSync(join(snapshots, name, "upper")));
  return own.flatMap((name) =>
    ["upper", "work"].flatMap(
      (part) => readdirSync(join(snapshots, name, part), { recursive: true }) as string[],
    ),
  );
}

/** It may be gone already: at its end, or when a daemon comes that finds it not running. */
const remove = (id: string) => stack.docker("rm", "-f", id);

/** A container whose start is prepared, and `then`; again until it was in time. */
async function inTime(
  make: () => Promise<string>,
  then: (id: string, pid: number) => Promise<boolean>,
): Promise<void> {
  for (let attempt = 0; attempt < 30; attempt++) {
    const id = await make();
    const pid = await prepared(id);
    const done = pid !== undefined && (await then(id, pid));
    await remove(id);
    if (done) return;
    // One at a time: another's must be over.
    await Bun.sleep(50);
  }
  throw new Error("no start was prepared in time");
}

const KINDS: [what: string, body: Made, network?: string][] = [
  ["without a network", {}],
  ["on the default network", {}, "bridge"],
  [
    "of another user, read-only, with limits",
    { User: "1234", HostConfig: { ReadonlyRootfs: true, Memory: 5e7 } },
  ],
  ["with a terminal", { Tty: true, OpenStdin: true }],
  ["with an init", { HostConfig: { Init: true } }],
  [
    "with sysctls, a tmpfs and a folder",
    { WorkingDir: "/made/here", HostConfig: { Tmpfs: { "/t": "" }, Sysctls: { "kernel.msgmax": "9000" } } },
  ],
];

describe("the process that was prepared is the one that runs:", () => {
  for (const [what, body, network] of KINDS) {
    test(what, async () => {
      await inTime(
        () => create(body, network),
        async (id, pid) => {
          expect(await start(id)).toBe(204);
          const state = await stack.inspect(id, "{{.State.Pid}} {{.State.Status}}");
          if (state !== `${pid} running`) return false;
          expect((await stack.docker("exec", id, "sh", "-c", "cat /etc/hostname")).stdout.trim()).toBe(
            id.slice(0, 12),
          );
          if (network === "bridge") {
            const address = await stack.inspect(id, "{{.NetworkSettings.Networks.bridge.IPAddress}}");
            expect((await stack.docker("exec", id, "ip", "addr")).stdout).toContain(` ${address}/`);
            expect((await stack.docker("exec", id, "cat", "/etc/hosts")).stdout).toContain(address);
          }
          return true;
        },
      );
      await stack.back(before);
    });
  }
});

test("its output, input and status are its own", async () => {
  for (let n = 0; n < 10; n++) {
    const run = Bun.spawn(
      [
        "docker",
        "-H",
        `unix://${stack.daemon.socket}`,
        "run",
        "-i",
        "--rm",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "cat; echo err >&2; exit 7",
      ],
      { stdio: [new Blob([`line ${n}\n`]), "pipe", "pipe"] },
    );
    const heard = [
      await new Response(run.stdout).text(),
      await new Response(run.stderr).text(),
      await run.exited,
    ];
    expect(heard).toEqual([`line ${n}\n`, "err\n", 7]);
  }
  await stack.back(before);
});

test("nobody sees it: no state, no event, nothing that runs", async () => {
  await inTime(create, async (id, pid) => {
    const seen = (await (await stack.daemon.request(`/containers/${id}/json`)).json()) as {
      State: { Status: string; Running: boolean; Pid: number; StartedAt: string };
      HostsPath: string;
    };
    const listed = (await (await stack.daemon.request("/containers/json")).json()) as object[];
    const top = await stack.daemon.request(`/containers/${id}/top`);
    if (!alive(pid)) return false;
    const now = Math.ceil(Date.now() / 1000);
    const events = await (
      await stack.daemon.request(`/events?since=1&until=${now}&filters={"container":["${id}"]}`)
    ).text();
    expect(seen.State).toMatchObject({
      Status: "created",
      Running: false,
      Pid: 0,
      StartedAt: "0001-01-01T00:00:00Z",
    });
    expect(seen.HostsPath).toBe("");
    expect(listed).toEqual([]);
    expect(top.status).toBe(409);
    expect(events.match(/"Action":"(\w+)"/g)).toEqual(['"Action":"create"']);
    return true;
  });
});

describe("time drops it:", () => {
  for (const network of ["none", "bridge"]) {
    test(`network ${network}`, async () => {
      await inTime(
        () => create({ WorkingDir: "/made/here" }, network),
        async (id, pid) => {
          await until(() => traces(id).length === 0, "nothing to be left");
          await until(() => layers().join() === ".dockerenv", "the layer to be empty again");
          expect(alive(pid)).toBe(false);
          expect(await start(id)).toBe(204);
          expect(await stack.pid(id)).not.toBe(pid);
          expect((await stack.docker("exec", id, "pwd")).stdout).toBe("/made/here\n");
          return true;
        },
      );
      await stack.back(before);
    });
  }

  test("whenever the start comes, also just then", async () => {
    for (let n = 0; n < 25; n++) {
      const id = await create({}, n % 2 === 0 ? "none" : "bridge");
      await Bun.sleep(180 + 2 * n);
      expect(await start(id)).toBe(204);
      expect((await stack.docker("exec", id, "echo", "hi")).stdout).toBe("hi\n");
      await remove(id);
    }
    await stack.back(before);
  });
});

const TOUCHES: [
  what: string,
  touch: (id: string) => Promise<unknown>,
  after?: (id: string) => Promise<void>,
][] = [
  [
    "update",
    (id) => post(`/containers/${id}/update`, { Memory: 60_000_000, MemorySwap: 60_000_000 }),
    async (id) => {
      const [memory] = cgroupsOf([id]).flatMap((folder) =>
        ["memory.limit_in_bytes", "memory.max"].map((file) => join(folder, file)).filter(existsSync),
      );
      if (memory) expect(Math.abs(Number(readFileSync(memory, "utf8")) - 60_000_000)).toBeLessThan(4096);
    },
  ],
  [
    "rename",
    (id) => post(`/containers/${id}/rename?name=renamed`),
    async (id) => expect(await stack.inspect(id, "{{.Name}}")).toBe("/renamed"),
  ],
  [
    "a file copied in",
    async (id) => {
      const file = join(stack.folder, "file");
      writeFileSync(file, "copied\n");
      const tar = Bun.spawnSync(["tar", "-cC", stack.folder, "file"]).stdout;
      const answer = await stack.daemon.request(`/containers/${id}/archive?path=/`, {
        method: "PUT",
        body: tar,
      });
      expect(answer.status).toBe(200);
    },
    async (id) => expect((await stack.docker("exec", id, "cat", "/file")).stdout).toBe("copied\n"),
  ],
  [
    "a file copied out",
    async (id) => (await stack.daemon.request(`/containers/${id}/archive?path=/etc/passwd`)).arrayBuffer(),
  ],
  ["export", async (id) => (await stack.daemon.request(`/containers/${id}/export`)).arrayBuffer()],
  [
    "diff",
    async (id) => expect(await (await stack.daemon.request(`/containers/${id}/changes`)).json()).toBe(null),
  ],
  ["its size", async (id) => (await stack.daemon.request(`/containers/${id}/json?size=1`)).json()],
  [
    "another network",
    (id) => post("/networks/bridge/connect", { Container: id }),
    async (id) => {
      expect(
        Object.keys(JSON.parse(await stack.inspect(id, "{{json .NetworkSettings.Networks}}"))).sort(),
      ).toContain("bridge");
    },
  ],
];

describe("what touches the container drops it:", () => {
  for (const [what, touch, after] of TOUCHES) {
    test(what, async () => {
      await inTime(
        () => create({}, what === "another network" ? "bridge" : "none"),
        async (id, pid) => {
          const inTime = alive(pid);
          await touch(id);
          if (!inTime) return false;
          expect(alive(pid)).toBe(false);
          expect(traces(id)).toEqual([]);
          expect(await start(id)).toBe(204);
          expect(await stack.pid(id)).not.toBe(pid);
          await after?.(id);
          return true;
        },
      );
      await stack.back(before);
    });
  }

  test("its removal", async () => {
    await inTime(create, async (id, pid) => {
      const inTime = alive(pid);
      expect((await stack.daemon.request(`/containers/${id}`, { method: "DELETE" })).status).toBe(204);
      expect(alive(pid)).toBe(false);
      expect(traces(id)).toEqual([]);
      return inTime;
    });
    await stack.back(before);
  });
});

test("a container that stays after its end is left alone", async () => {
  const kept = await create({ HostConfig: { AutoRemove: false } });
  const seen: string[] = [];
  await inTime(create, async () => {
    seen.push(...traces(kept));
    return true;
  });
  expect(seen).toEqual([]);
  await remove(kept);
  await stack.back(before);
});

test("what was prepared for an attached client's container serves that client", async () => {
  for (let n = 0; n < 10; n++) {
    expect((await stack.docker("run", "--rm", "busybox", "echo", "hi")).stdout).toBe("hi\n");
    expect((await stack.docker("run", "--rm", "--network", "none", "busybox", "/nope")).status).toBe(127);
    expect((await stack.docker("run", "--rm", "--network", "none", "busybox", "/etc")).status).toBe(126);
  }
  await stack.back(before);
});

test("the host's resolv.conf is as it is at the start", async () => {
  const file = join(stack.folder, "resolv.conf");
  writeFileSync(file, "nameserver 192.0.2.1\n");
  await stack.daemon.stop();
  await stack.begin({
    under: ["unshare", "-m", "sh", "-c", `mount --bind ${file} /etc/resolv.conf; exec "$@"`, "sh"],
  });
  await inTime(create, async (id, pid) => {
    writeFileSync(file, "nameserver 192.0.2.2\n");
    expect(await start(id)).toBe(204);
    expect((await stack.docker("exec", id, "cat", "/etc/resolv.conf")).stdout).toContain("192.0.2.2");
    const used = (await stack.pid(id)) === pid;
    writeFileSync(file, "nameserver 192.0.2.1\n");
    return used;
  });
});

test("of many that are created and not started, one at a time is prepared, and none stays", async () => {
  let most = 0;
  for (let n = 0; n < 100; n++) {
    await create();
    const folders = cgroupsOf([...stack.ids]).map((folder) => basename(folder));
    most = Math.max(most, new Set(folders).size);
  }
  // One may be going while the next comes.
  expect(most).toBeLessThan(3);
  expect(most).toBeGreaterThan(0);
  await until(() => cgroupsOf([...stack.ids]).length === 0, "no cgroup to be left");
  for (const id of stack.ids) expect(traces(id)).toEqual([]);
  expect(layers().filter((name) => name !== ".dockerenv")).toEqual([]);
  await stack.ok("rm", ...stack.ids);
  await stack.back(before);
});

describe("kill -9:", () => {
  const WAITING = "of the process that waits";
  const KILLS: [what: string, kill: (stage: number) => Promise<void>][] = [
    ["of the shim", async () => void (await stack.killShim())],
    [
      "of the daemon",
      async () => {
        await stack.killDaemon();
        await stack.begin();
      },
    ],
    [
      "of daemon and shim",
      async () => {
        const shim = stack.shimPid();
        process.kill(shim, "SIGSTOP");
        await stack.killDaemon();
        process.kill(shim, "SIGKILL");
        await stack.begin();
      },
    ],
    ["of the stage", async (stage) => void process.kill(parentOf(stage), "SIGKILL")],
    [WAITING, async (stage) => void process.kill(stage, "SIGKILL")],
  ];
  for (const [what, kill] of KILLS) {
    for (const network of ["none", "bridge"]) {
      test(`${what}, network ${network}`, async () => {
        for (let n = 0; n < 4; n++) {
          await inTime(
            async () => {
              const id = await create({}, network);
              await Bun.sleep(4 * n);
              return id;
            },
            async (id, pid) => {
              try {
                await kill(pid);
              } catch (error) {
                if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
                throw error;
              }
              const atOnce = n % 2 === 1 && what !== WAITING;
              if (!atOnce) await until(() => !alive(pid) && traces(id).length === 0, "nothing to be left");
              const status = await start(id);
              // A daemon that comes removes those that are removed at their end and do not run.
              if (what.includes("daemon")) {
                expect(status).toBe(404);
                return true;
              }
              // What the shim has not heard of yet is a kill of the container that it starts.
              if (atOnce && what === "of the stage" && status === 500) return true;
              expect(status).toBe(204);
              expect((await stack.docker("exec", id, "echo", "hi")).stdout).toBe("hi\n");
              const running = await stack.pid(id);
              await until(() => inside(id).join() === String(running), "the exec's process to be gone");
              return true;
            },
          );
        }
        await stack.back(before);
      });
    }
  }

  test("of the shim while the start goes on with it", async () => {
    for (let n = 0; n < 10; n++) {
      const id = await create();
      await Bun.sleep(n * 3);
      const starting = start(id);
      await Bun.sleep(n % 4);
      await stack.killShim();
      expect(await starting).toBe(204);
      expect(await stack.inspect(id, "{{.State.Status}}{{.State.Error}}")).toBe("running");
      expect(inside(id)).toEqual([await stack.pid(id)]);
      await remove(id);
    }
    await stack.back(before);
  });
});

describe("a create that is not stored leaves nothing:", () => {
  const database = (): Database => new Database(join(stack.folder, "data/tsd.db"));
  const names = (folder: string): string[] => readdirSync(join(stack.folder, "data", folder));

  /** A create that waits for the database, which another has; and what is prepared of its start meanwhile. */
  async function creating(network: string): Promise<{ id: string; answer: Promise<Response> }> {
    const answer = post("/containers/create", {
      Image: "busybox",
      HostConfig: { NetworkMode: network, AutoRemove: true },
    });
    answer.catch(() => {});
    await until(() => names("containers").length === 1, "the folder of the container");
    const id = names("containers")[0]!;
    stack.ids.add(id);
    const made = () => (network === "none" ? inside(id).length > 0 : traces(id).length > 1);
    await until(made, "its start to be prepared");
    return { id, answer };
  }

  for (const network of ["none", "bridge"]) {
    test(`when it cannot be, network ${network}`, async () => {
      const layers = names("snapshots").length;
      {
        using db = database();
        db.run("BEGIN IMMEDIATE");
        const { id, answer } = await creating(network);
        const { status, message } = await answer.then(async (response) => ({
          status: response.status,
          ...((await response.json()) as { message: string }),
        }));
        expect([status, message]).toEqual([500, "database is locked"]);
        expect(traces(id)).toEqual([]);
        expect(names("snapshots")).toHaveLength(layers);
        expect(await stack.ok("ps", "-aq")).toBe("");
      }
      await stack.back(before);
      // Its place is free.
      await inTime(
        () => create({}, network),
        async (next) => (await start(next)) === 204,
      );
    });

    test(`when the daemon is killed before it is, network ${network}`, async () => {
      for (let n = 0; n < 3; n++) {
        using db = database();
        db.run("BEGIN IMMEDIATE");
        const { id } = await creating(network);
        await stack.killDaemon();
        db.run("ROLLBACK");
        if (n === 2) await stack.killShim();
        // At once, or when the shim has dropped it.
        if (n === 1) await until(() => inside(id).length === 0, "nothing to run");
        await stack.begin();
        expect(await stack.ok("ps", "-aq")).toBe("");
        await until(() => traces(id).length === 0, "nothing to be left");
      }
      await stack.back(before);
    });
  }
});

describe("what the host does to it holds up nobody:", () => {
  const DEEDS: [what: string, signal: NodeJS.Signals, whom: (pid: number) => number][] = [
    ["the process that waits is killed", "SIGKILL", (pid) => pid],
    ["the process that waits is stopped", "SIGSTOP", (pid) => pid],
    ["the stage is stopped", "SIGSTOP", parentOf],
  ];
  const removal = (id: string) =>
    stack.daemon.request(`/containers/${id}?force=1`, { method: "DELETE" }).then(({ status }) => status);
  /** False: it was over before. */
  function does(signal: NodeJS.Signals, whom: () => number): boolean {
    try {
      return process.kill(whom(), signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
      throw error;
    }
  }

  for (const [what, signal, whom] of DEEDS) {
    test(`${what}, and the container removed`, async () => {
      await inTime(create, async (id, pid) => {
        if (!does(signal, () => whom(pid))) return false;
        const before = performance.now();
        expect(await removal(id)).toBe(204);
        expect(performance.now() - before).toBeLessThan(700);
        expect(cgroupsOf([id])).toEqual([]);
        // Without the stage, somebody else has to reap it.
        await until(() => traces(id).length === 0, "nothing to be left");
        return true;
      });
      await stack.back(before);
    });
  }

  for (const [what, signal, whom] of DEEDS.slice(1)) {
    test(`${what}, the container started, and removed`, async () => {
      await inTime(create, async (id, pid) => {
        if (!does(signal, () => whom(pid))) return false;
        let answered = false;
        const starting = start(id).then((status) => {
          answered = true;
          return status;
        });
        await Bun.sleep(500);
        // Dropped before the start came.
        if (answered) return false;
        expect(await removal(id)).toBe(204);
        const status = await starting;
        // Dropped as well, and the start of another was slow: what is stopped cannot have started.
        if (status === 204) return false;
        expect(status).toBe(500);
        await until(() => traces(id).length === 0, "nothing to be left");
        return true;
      });
      await stack.back(before);
    });
  }

  // Whoever is first: the shim may hear of the end before it hears of the start, and then starts another.
  test("one that is killed while its start is under way has ended after it, or another runs", async () => {
    for (let n = 0; n < 16; n++) {
      await inTime(create, async (id, pid) => {
        const waiting = post(`/containers/${id}/wait?condition=next-exit`);
        const starting = start(id);
        await Bun.sleep(n / 4);
        if (!does("SIGKILL", () => pid)) return false;
        expect(await starting).toBe(204);
        const gone = async () => (await stack.daemon.request(`/containers/${id}/json`)).status === 404;
        const another = () => inside(id).some((found) => found !== pid);
        await until(async () => another() || (await gone()), "it to be removed at its end", 5000);
        await remove(id);
        expect((await (await waiting).json()) as object).toEqual({ StatusCode: 137 });
        return true;
      });
    }
    await stack.back(before);
  });
});

test("a daemon that ends, and a shim that makes room, leave nothing of it", async () => {
  for (const network of ["none", "bridge"]) {
    await inTime(
      () => create({}, network),
      async (id, pid) => {
        await stack.daemon.stop();
        expect(alive(pid)).toBe(false);
        expect(traces(id)).toEqual([]);
        await stack.begin();
        return true;
      },
    );
    await inTime(
      () => create({}, network),
      async (id, pid) => {
        await stack.killDaemon();
        stack.replaceProgram();
        await stack.begin();
        await until(() => !alive(pid) && traces(id).length === 0, "it to be gone");
        return true;
      },
    );
  }
  await stack.back(before);
});

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    throw Object.assign(new Error(`${pid} is gone`), { code: "ESRCH" });
  }
}
