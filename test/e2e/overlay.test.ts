import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeOverlay } from "../../src/engine/runtime/overlay.ts";
import { flags, PlanBuilder } from "../../src/engine/runtime/plan.ts";
import { runPlan } from "../../src/engine/runtime/stage.ts";
import { closeFd, pipe } from "../../src/ffi/libc.ts";
import { MS } from "../../src/ffi/mount.ts";
import { overlayTakesLayers } from "../../src/ffi/overlay.ts";
import { CLONE } from "../../src/ffi/process.ts";
import { scratch } from "../support/plans.ts";

/** What a shell in the overlay's root prints, of `count` layers that each bring a file. */
async function inOverlay(
  folder: string,
  count: number,
  layersOneByOne: boolean,
  script: string,
): Promise<string> {
  const lower: string[] = [];
  for (let i = count; i > 0; i--) {
    const layer = join(folder, "snapshots", String(i));
    mkdirSync(layer, { recursive: true });
    writeFileSync(join(layer, `file${i}`), `${i}\n`);
    writeFileSync(join(layer, "shared"), `${i}\n`);
    lower.push(layer);
  }
  const [upper, work] = [join(folder, "snapshots/rw/upper"), join(folder, "snapshots/rw/work")];
  mkdirSync(upper, { recursive: true });
  mkdirSync(work, { recursive: true });
  const plan = new PlanBuilder();
  const root = plan.fd();
  plan.call("unshare", [flags(CLONE, "CLONE_NEWNS")]);
  plan.call("mount", [0, plan.string("/"), 0, flags(MS, "MS_REC", "MS_PRIVATE"), 0]);
  makeOverlay(plan, root, { kind: "overlay", lower, upper, work }, layersOneByOne);
  plan.call("fchdir", [root]);
  const argv = plan.strings(["sh", "-c", script]);
  plan.call("execve", [plan.string("/bin/busybox"), argv, plan.strings(["PATH=/bin"])]);
  const out = pipe();
  const done = runPlan(plan.build(), { stdio: ["ignore", out.write, out.write] });
  closeFd(out.write);
  const [text, status] = await Promise.all([Bun.file(out.read).text(), done]);
  closeFd(out.read);
  expect(status).toBe(0);
  return text;
}

describe("an overlay", () => {
  for (const [name, layersOneByOne] of [
    ["with its layers one by one", true],
    ["by mount(2), as before Linux 6.5,", false],
  ] as const) {
    if (layersOneByOne && !overlayTakesLayers()) continue;

    test(`${name} shows the top layer first and writes to the upper folder`, async () => {
      using place = scratch();
      const script = "cat file1 file3 shared; echo new > written; echo over > shared";
      expect(await inOverlay(place.path, 3, layersOneByOne, script)).toBe("1\n3\n3\n");
      expect(readdirSync(join(place.path, "snapshots/rw/upper")).sort()).toEqual(["shared", "written"]);
      expect(readFileSync(join(place.path, "snapshots/3/shared"), "utf8")).toBe("3\n");
    });

    test(`${name} is attached nowhere`, async () => {
      using place = scratch();
      const mounts = await inOverlay(place.path, 1, layersOneByOne, `cat /proc/self/mounts`);
      expect(mounts).not.toContain(place.path);
      // Other programs' overlays come and go meanwhile, each in its own folder.
      const nowhere = mounts.split("\n").filter((line) => /^\S+ \/ overlay/.test(line));
      expect(nowhere).toEqual([]);
    });

    test(`${name} takes 120 layers`, async () => {
      using place = scratch();
      expect(await inOverlay(place.path, 120, layersOneByOne, "cat file1 file120 shared")).toBe(
        "1\n120\n120\n",
      );
    });
  }

  test("is not asked of a kernel that cannot take so many layers", async () => {
    const lower = Array.from({ length: 2000 }, (_, i) => `/snapshots/${i}`);
    const rootfs = {
      kind: "overlay",
      lower,
      upper: "/snapshots/rw/upper",
      work: "/snapshots/rw/work",
    } as const;
    expect(() => makeOverlay(new PlanBuilder(), 32, rootfs, false)).toThrow("too many layers (2000)");
  });
});
