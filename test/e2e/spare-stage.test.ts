import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { PlanBuilder, STAGE_FD } from "../../src/engine/runtime/plan.ts";
import { SpareStage } from "../../src/engine/runtime/spare-stage.ts";
import { type Stage, type StageOptions, StepFailure, startStage } from "../../src/engine/runtime/stage.ts";
import { closeFd, pipe } from "../../src/ffi/libc.ts";
import { syscallNumber } from "../../src/ffi/syscalls.ts";
import { until } from "../support/plans.ts";
import { spares } from "../support/spares.ts";

const opened: SpareStage[] = [];
const stages: Stage[] = [];
afterEach(async () => {
  for (const spare of opened.splice(0)) spare.close();
  for (const stage of stages.splice(0)) {
    stage.kill(9);
    closeFd(stage.control);
    await stage.done.catch(() => {});
  }
  await until(() => spares(process.pid).length === 0, "the end of the spare stages");
});

/** There is one when this resolves. */
async function spareStage(): Promise<SpareStage> {
  const spare = new SpareStage();
  opened.push(spare);
  spare.makeSoon(0);
  await until(() => spares(process.pid).length === 1, "a spare stage");
  return spare;
}

function start(plan: PlanBuilder, options: StageOptions): Stage {
  const stage = startStage(plan.build(), { control: true, name: "ts-keeper", ...options });
  stages.push(stage);
  return stage;
}

function waiting(): PlanBuilder {
  const plan = new PlanBuilder();
  plan.call("ppoll", [0, 0, 0, 0, 8], { label: "wait" });
  return plan;
}

const asleep = (pid: number): Promise<void> =>
  until(
    () => readFileSync(`/proc/${pid}/syscall`, "utf8").startsWith(`${syscallNumber("ppoll")} `),
    "the plan's step",
  );

/** All of a process that its parent may have given it. */
function describeProcess(pid: number): Record<string, unknown> {
  const read = (name: string): string => readFileSync(`/proc/${pid}/${name}`, "utf8");
  const status = read("status").match(
    /^(Umask|PPid|Uid|Gid|Groups|NSpid|Threads|Sig\w+|Shd\w+|Cap\w+|NoNewPrivs|Seccomp\w*|Cpus_allowed|Mems_allowed):.*$/gm,
  );
  return {
    status: status?.map((line) => line.replace(String(pid), "PID")),
    fds: readdirSync(`/proc/${pid}/fd`)
      .sort()
      .map((fd) => `${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\d+/, "N")}`),
    program: readlinkSync(`/proc/${pid}/exe`),
    cwd: readlinkSync(`/proc/${pid}/cwd`),
    root: readlinkSync(`/proc/${pid}/root`),
    files: [
      "cmdline",
      "environ",
      "comm",
      "limits",
      "cgroup",
      "oom_score_adj",
      "personality",
      "coredump_filter",
    ].map(read),
    group: read("stat")
      .replace(/^.*\) /, "")
      .split(" ")
      .slice(2, 6),
  };
}

describe("a spare stage", () => {
  test("is like one that was started for its plan, its name too", async () => {
    const spare = await spareStage();
    const [pid] = spares(process.pid);
    const taken = start(waiting(), { spare });
    const started = start(waiting(), {});
    expect(taken.pid).toBe(pid!);
    expect(started.pid).not.toBe(pid!);
    await Promise.all([asleep(taken.pid), asleep(started.pid)]);
    expect(describeProcess(taken.pid)).toEqual(describeProcess(started.pid));
    expect(readFileSync(`/proc/${taken.pid}/cmdline`, "utf8")).toBe("ts-keeper\0");
  });

  test("gets the fds that its plan is passed, in their order", async () => {
    const spare = await spareStage();
    const pipes = [pipe(), pipe(), pipe()];
    const plan = new PlanBuilder();
    for (let n = 0; n < pipes.length; n++) {
      plan.call("write", [STAGE_FD.firstPassed + n, plan.string(`${n}`), 1], { label: `write to pipe ${n}` });
    }
    const stage = start(plan, { spare, fds: pipes.map(({ write }) => write) });
    for (const { write } of pipes) closeFd(write);
    expect(await stage.done).toBe(0);
    // It has no other fd of these: else there would be no end.
    expect(await Promise.all(pipes.map(({ read }) => Bun.file(read).text()))).toEqual(["0", "1", "2"]);
    for (const { read } of pipes) closeFd(read);
  });

  test("tells of the step that failed", async () => {
    const spare = await spareStage();
    const plan = new PlanBuilder();
    plan.call("chdir", [plan.string("/there/is/no/such/folder")], { label: "go there" });
    const error = await start(plan, { spare }).done.catch((error) => error);
    expect(error).toBeInstanceOf(StepFailure);
    expect(error.message).toBe("go there: no such file or directory");
  });

  test("is taken once, and replaced", async () => {
    const spare = await spareStage();
    const [pid] = spares(process.pid);
    const both = [start(waiting(), { spare }), start(waiting(), { spare })];
    expect(both[0]!.pid).toBe(pid!);
    expect(both[1]!.pid).not.toBe(pid!);
    await Promise.all(both.map((stage) => asleep(stage.pid)));
    await until(() => spares(process.pid).length === 1, "the next one");
  });

  test("that was killed is not missed, and replaced", async () => {
    const spare = await spareStage();
    const [pid] = spares(process.pid);
    process.kill(pid!, "SIGKILL");
    await until(() => !spares(process.pid).includes(pid!), "its end");
    const stage = start(waiting(), { spare });
    await asleep(stage.pid);
    await until(() => spares(process.pid).length === 1, "the next one");
  });

  test("that was stopped holds up no start, and is replaced", async () => {
    const spare = await spareStage();
    const [pid] = spares(process.pid);
    process.kill(pid!, "SIGSTOP");
    await until(() => readFileSync(`/proc/${pid}/stat`, "latin1").includes(") T "), "its stop");
    const stage = start(waiting(), { spare });
    expect(stage.pid).not.toBe(pid!);
    await asleep(stage.pid);
    await until(() => spares(process.pid).length === 1 && spares(process.pid)[0] !== pid, "the next one");
  });

  test("ends with the process that has it, however that ends", async () => {
    const owner = Bun.spawn(
      [process.execPath, new URL("../support/spare-owner.ts", import.meta.url).pathname],
      { stdout: "pipe", stderr: "inherit" },
    );
    const { value } = await owner.stdout.getReader().read();
    const pid = Number(new TextDecoder().decode(value));
    expect(pid).toBeGreaterThan(1);
    owner.kill("SIGKILL");
    await owner.exited;
    await until(() => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8") === "";
      } catch {
        return true;
      }
    }, "the end of the spare stage");
  });
});
