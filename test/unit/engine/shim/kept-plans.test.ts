import { describe, expect, test } from "bun:test";
import { type CgroupLayout, cgroupOf, detectCgroups } from "../../../../src/engine/runtime/cgroup-layout.ts";
import { compileContainer } from "../../../../src/engine/runtime/container.ts";
import { encodePlan } from "../../../../src/engine/runtime/encode.ts";
import { PlanBuilder } from "../../../../src/engine/runtime/plan.ts";
import { compileFilter } from "../../../../src/engine/runtime/seccomp.ts";
import { defaultSeccomp } from "../../../../src/engine/runtime/seccomp-default.ts";
import type { Spec } from "../../../../src/engine/runtime/spec.ts";
import { type ContainerPlan, KeptPlans } from "../../../../src/engine/shim/kept-plans.ts";
import type { Launch } from "../../../../src/engine/shim/launch-names.ts";
import { JsonText } from "../../../../src/engine/shim/protocol.ts";

const FILTER = compileFilter(defaultSeccomp([]));
const UNIFIED = detectCgroups("30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n");
const LEGACY = detectCgroups(
  ["cpuset", "memory", "devices", "pids"]
    .map((name, n) => `${30 + n} 25 0:2${n} / /sys/fs/cgroup/${name} rw - cgroup cgroup rw,${name}\n`)
    .join(""),
  "1:cpuset:/\n2:memory:/\n3:devices:/\n4:pids:/\n",
);

const newId = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");

/** What of a container is its own. */
interface Own {
  id: string;
  layer: string;
  ports: { udp: number; tcp: number } | undefined;
}

type Change = (request: { spec: Spec; init: boolean; tty?: boolean }, own: Own) => void;

/** As the daemon asks for it. */
function launchOf(
  change: Change = () => {},
  { id = newId(), layer = "37", ports }: Partial<Own> = {},
): Launch {
  const hostname = id.slice(0, 12);
  const spec: Spec = {
    ociVersion: "1.2.0",
    process: { cwd: "/", args: ["true"], env: ["PATH=/bin", `HOSTNAME=${hostname}`], capabilities: {} },
    root: { path: "rootfs" },
    hostname,
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup" },
      { destination: "/etc/hosts", type: "bind", source: `/data/${id}/hosts`, options: ["rbind"] },
    ],
    linux: {
      namespaces: [{ type: "pid" }, { type: "mount" }, { type: "uts" }, { type: "network" }],
      cgroupsPath: `/tsd/${id}`,
      seccomp: defaultSeccomp([]),
      maskedPaths: ["/proc/keys"],
    },
  };
  const made = { spec, init: false, tty: false };
  change(made, { id, layer, ports });
  const folder = `/data/snapshots/${layer}`;
  return {
    request: {
      id,
      attempt: crypto.randomUUID(),
      spec: new JsonText(JSON.stringify(made.spec)),
      rootfs: {
        kind: "overlay",
        lower: ["/data/snapshots/1"],
        upper: `${folder}/upper`,
        work: `${folder}/work`,
      },
      io: made.tty
        ? { kind: "pty", stdin: true, stdinOnce: true, cols: 80, rows: 25 }
        : { kind: "pipes", stdin: false, stdinOnce: false },
      log: { driver: "json-file", path: `/data/${id}/${id}-json.log`, options: {} },
      init: made.init,
      ...(ports && { names: ports }),
    },
    paths: { socket: `/run/k/${id.slice(0, 24)}.sock`, exitRecord: `/run/k/${id.slice(0, 24)}.exit` },
    held: true,
    bareNetwork: false,
  };
}

const compiler =
  (layout: CgroupLayout) =>
  ({ request, paths, held }: Launch): ContainerPlan => {
    const { id, rootfs, init, names, io } = request;
    const spec = request.spec.value;
    const cgroup = cgroupOf(layout, spec.linux?.cgroupsPath, id);
    const plan = compileContainer({
      id,
      spec,
      rootfs,
      filter: FILTER,
      io: io.kind === "pty" ? { ...io, master: "keeper" } : io,
      cgroup,
      init,
      held,
      mtab: true,
      ...(names && { names }),
      keeper: { socket: paths.socket, record: paths.exitRecord, bootId: "boot", holdMounts: true },
    });
    return { plan, cgroups: cgroup.map(({ path }) => path), ownPids: true };
  };

/** Plans that are learned at once, of a compiler that says how often it was called. */
function keep(compile: (launch: Launch) => ContainerPlan | undefined = compiler(UNIFIED)) {
  const calls = { compile: 0 };
  const plans = new KeptPlans(
    (launch) => {
      calls.compile++;
      return compile(launch);
    },
    (work) => work(),
  );
  return { plans, calls };
}

/** Asks for a container like this until it is kept, and then for another. */
function third(plans: KeptPlans, make: () => Launch) {
  for (let n = 0; n < 2; n++) expect(plans.find(make())).toBeUndefined();
  const launch = make();
  return { launch, found: plans.find(launch) };
}

function expectSame(found: ReturnType<KeptPlans["find"]>, fresh: ContainerPlan): void {
  expect(found).toBeDefined();
  expect(Buffer.compare(found!.plan.bytes, encodePlan(fresh.plan))).toBe(0);
  expect(found!.cgroups).toEqual(fresh.cgroups);
  expect(found!.ownPids).toBe(fresh.ownPids);
}

const KINDS: Record<string, { change?: Change; own?: () => Partial<Own>; layout?: CgroupLayout }> = {
  "a plain one": {},
  "one with version 1 cgroups": { layout: LEGACY },
  "one with an init": {
    change: (request) => {
      request.init = true;
    },
  },
  "one with a terminal": {
    change: (request) => {
      request.tty = true;
    },
  },
  "one whose names are asked for at ports of its own": {
    change: ({ spec }, { id }) => {
      spec.linux!.namespaces![3] = { type: "network", path: `/run/netns/${id.slice(0, 12)}` };
    },
    own: () => ({ ports: { udp: 1024 + Math.floor(Math.random() * 60000), tcp: 0x3031 } }),
  },
  "one in a user namespace": {
    change: ({ spec }) => {
      spec.linux!.namespaces!.push({ type: "user" });
      spec.linux!.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      spec.linux!.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
    },
  },
};

describe("the third container of a kind has the plan that would be compiled for it:", () => {
  for (const [what, { change, own = () => ({}), layout = UNIFIED }] of Object.entries(KINDS)) {
    test(what, () => {
      const { plans, calls } = keep(compiler(layout));
      let layer = 10;
      const make = (): Launch => launchOf(change, { layer: String(layer++), ...own() });
      const { launch, found } = third(plans, make);
      expect(calls.compile).toBe(2);
      expectSame(found, compiler(layout)(launch));
      for (let more = 0; more < 10; more++) {
        const next = make();
        expectSame(plans.find(next), compiler(layout)(next));
      }
      expect(calls.compile).toBe(2);
    });
  }

  test("and the labels that tell why its start has failed", () => {
    const { plans, calls } = keep();
    const { launch, found } = third(plans, launchOf);
    const labels = compiler(UNIFIED)(launch).plan.steps.map(({ label }) => label);
    expect(found!.plan.steps.map(({ label }) => label)).toEqual(labels);
    expect(labels.some((label) => label.includes(launch.request.id))).toBe(true);
    expect(calls.compile).toBe(3);
  });
});

describe("a user's words that look like names stay what they are", () => {
  const [other, fixed] = [newId(), newId()];
  const words: Record<string, (id: string) => string> = {
    "another container's id": () => other,
    "the beginning of another's": () => other.slice(0, 12),
    "its own id": (id) => id,
    "its own id and more digits": (id) => `${id}00${id.slice(0, 13)}00`,
    "its own id twice": (id) => id + id,
    "half of its own id": (id) => id.slice(0, 32),
    "less of its own id than anybody is named by": (id) => id.slice(0, 11),
    "the end of its own id": (id) => id.slice(8),
    "what stands for an id": () => "\x01@ \x01\x0c \\u0001@ \x01",
    "the folder of a layer": () => "/data/snapshots/37/upper",
    "the number of a layer": () => "37",
    "quotes and braces": () => `","spec":{"a":"}}\n`,
  };
  for (const [what, word] of Object.entries(words)) {
    test(what, () => {
      const { plans } = keep();
      const change: Change = ({ spec }, { id }) => {
        spec.process!.args = ["echo", word(id)];
        spec.process!.env!.push(`A=${word(id)}x`, `B=${word(fixed)}`);
      };
      const make = (): Launch => launchOf(change, { layer: "37" });
      for (let n = 0; n < 5; n++) {
        const launch = make();
        const found = plans.find(launch);
        if (found !== undefined) expectSame(found, compiler(UNIFIED)(launch));
      }
    });
  }

  test("a character that is written in JSON as its own id begins", () => {
    const { plans } = keep();
    for (let n = 0; n < 4; n++) {
      const id = `1f${newId().slice(2)}`;
      const launch = launchOf(({ spec }) => spec.process!.args!.push(`\x1f${id.slice(2)}`), { id });
      expect(launch.request.spec.text).toContain(`u00${id}`);
      const found = plans.find(launch);
      if (found !== undefined) expectSame(found, compiler(UNIFIED)(launch));
    }
  });

  test("of two containers, one of which has by chance the other's id in it", () => {
    const { plans } = keep();
    const [a, b] = [newId(), newId()];
    const with_ = (id: string, word: string): Launch =>
      launchOf(({ spec }) => spec.process!.args!.push(word, word.slice(0, 12)), { id });
    // Each has its own, and then each the other's.
    for (let n = 0; n < 4; n++) {
      for (const launch of [with_(a, a), with_(b, b), with_(a, b), with_(b, a)]) {
        const found = plans.find(launch);
        if (n > 1) expectSame(found, compiler(UNIFIED)(launch));
      }
    }
  });
});

describe("compiled anew is", () => {
  const settings: Record<string, Change> = {
    "another variable": ({ spec }) => spec.process!.env!.push("A=1"),
    "another limit": ({ spec }) => {
      spec.linux!.resources = { pids: { limit: 3 } };
    },
    "another terminal": (request) => {
      request.tty = true;
    },
  };
  for (const [what, change] of Object.entries(settings)) {
    test(what, () => {
      const { plans } = keep();
      expect(third(plans, launchOf).found).toBeDefined();
      expect(plans.find(launchOf(change))).toBeUndefined();
      expect(plans.find({ ...launchOf(), held: false })).toBeUndefined();
      expect(plans.find({ ...launchOf(), bareNetwork: true })).toBeUndefined();
    });
  }

  test("one whose names have another length", () => {
    const { plans } = keep();
    expect(third(plans, () => launchOf(undefined, { layer: "99" })).found).toBeDefined();
    expect(plans.find(launchOf(undefined, { layer: "100" }))).toBeUndefined();
    const short = launchOf(undefined, { id: "c1" });
    for (let n = 0; n < 4; n++) expect(plans.find(short)).toBeUndefined();
  });

  test("one that is not made from its launch alone, or cannot be made", () => {
    const joins = keep(() => undefined);
    expect(third(joins.plans, launchOf).found).toBeUndefined();
    const fails = keep(() => {
      throw new Error("no");
    });
    expect(third(fails.plans, launchOf).found).toBeUndefined();
  });

  const made: Record<string, (id: string, builder: PlanBuilder) => void> = {
    "a checksum of the id": (id, builder) =>
      builder.bytes(new Uint8Array([Number.parseInt(id.slice(0, 2), 16)])),
    "the end of the id": (id, builder) => builder.string(id.slice(20)),
    "less of the id than anybody is named by": (id, builder) => builder.string(id.slice(0, 11)),
    "the id as capital letters": (id, builder) => builder.string(id.toUpperCase()),
    "more or fewer steps": (id, builder) => {
      for (let n = id.charCodeAt(0); n > 0; n--) builder.call("getpid", []);
    },
  };
  for (const [what, add] of Object.entries(made)) {
    test(`one whose plan has in it ${what}`, () => {
      const { plans, calls } = keep(({ request }) => {
        const builder = new PlanBuilder();
        add(request.id, builder);
        return { plan: builder.build(), cgroups: [], ownPids: false };
      });
      expect(third(plans, launchOf).found).toBeUndefined();
      // Nor is it tried again.
      expect(plans.find(launchOf())).toBeUndefined();
      expect(calls.compile).toBe(2);
    });
  }
});

describe("the room that kept plans take has a bound", () => {
  const withArgument = (argument: string) => (): Launch =>
    launchOf(({ spec }) => {
      spec.process!.args = ["echo", argument];
    });

  test("none is there any more when nobody has used one for long: there may be secrets in them", async () => {
    const plans = new KeptPlans(compiler(UNIFIED), (work) => work(), 50);
    expect(third(plans, launchOf).found).toBeDefined();
    await Bun.sleep(200);
    expect(third(plans, launchOf).found).toBeDefined();
  });

  test("of many kinds those that were used last are there", () => {
    const { plans } = keep();
    expect(third(plans, withArgument("often")).found).toBeDefined();
    expect(third(plans, withArgument("once")).found).toBeDefined();
    for (let n = 0; n < 60; n++) {
      expect(third(plans, withArgument(`${n}`)).found).toBeDefined();
      expect(plans.find(withArgument("often")())).toBeDefined();
    }
    expect(plans.find(withArgument("once")())).toBeUndefined();
    expect(plans.find(withArgument("59")())).toBeDefined();
  });

  test("huge ones are not kept, and drive out no others", () => {
    const { plans, calls } = keep();
    expect(third(plans, withArgument("often")).found).toBeDefined();
    expect(third(plans, withArgument("x".repeat(100_000))).found).toBeUndefined();
    expect(calls.compile).toBe(4);
    expect(third(plans, withArgument("x".repeat(1_000_000))).found).toBeUndefined();
    expect(calls.compile).toBe(4);
    expect(plans.find(withArgument("often")())).toBeDefined();
  });
});
