import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Keeper } from "../../../../src/engine/runtime/keeper.ts";
import { type ProcessContext, SupervisedProcess } from "../../../../src/engine/shim/process.ts";
import { Records } from "../../../../src/engine/shim/records.ts";
import { Session } from "../../../../src/engine/shim/session.ts";
import type { Exit } from "../../../../src/engine/shim/types.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsd-shim-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("who waits for an end does not wait until it is written down, and its keeper stays until then", async () => {
  const records = new Records(folder);
  const happened: string[] = [];
  const finished = Promise.withResolvers<void>();
  const written = (): string => (records.readAll()[0]?.drained ? ", as is written" : "");
  const context = {
    records,
    poller: { catchUp: () => {} },
    answerNames: () => {},
    onExit: (_: unknown, { status }: Exit) => {
      happened.push(`exit ${status}${written()}`);
    },
  } as Pick<ProcessContext, "records" | "onExit"> as ProcessContext;
  const id = "1".repeat(64);
  const supervised = new SupervisedProcess(
    {
      id,
      container: id,
      io: { kind: "pipes", stdin: false, stdinOnce: false },
      log: { driver: "none" },
      cgroups: [],
      pid: process.pid,
      startedAt: "1",
      paused: false,
    },
    context,
  );
  const session = new Session(undefined, { stdin: false, stdout: true, stderr: true });
  session.finish = () => {
    happened.push(`finished${written()}`);
    finished.resolve();
  };
  supervised.attach(session);
  const keeper: Partial<Keeper> = {
    pid: process.pid,
    take: async () => ({}),
    end: () => happened.push(`keeper ended${written()}`),
  };
  await supervised.adopt(keeper as Keeper);
  supervised.events.exit(3, 5n);
  await finished.promise;
  supervised.tidy();
  expect(happened).toEqual(["exit 3", "finished", "keeper ended, as is written"]);
});
