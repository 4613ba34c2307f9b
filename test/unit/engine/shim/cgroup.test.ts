import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { killCgroups, ownCgroups } from "../../../../src/engine/shim/cgroup.ts";

const ID = "a1".repeat(32);

/** A hierarchy of this machine: where it is, and what its line in /proc/PID/cgroup begins with. */
function hierarchy(): { mount: string; line: string } {
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [, , , root, mount, ...rest] = line.split(" ");
    const [type, , options = ""] = rest.slice(rest.indexOf("-") + 1);
    if (root !== "/" || !type?.startsWith("cgroup")) continue;
    return { mount: mount!, line: `5:${type === "cgroup2" ? "" : options.split(",").at(-1)}:` };
  }
  throw new Error("no cgroup hierarchy is mounted here");
}

const { mount, line } = hierarchy();
const own = (path: string, container: string): string[] => ownCgroups(1, container, `${line}${path}\n`);

test("a container's are the folders that bear its id, however deep its process is", () => {
  expect(own(`/tsd/${ID}`, ID)).toEqual([`${mount}/tsd/${ID}`]);
  expect(own(`/tsd/${ID}/made/inside`, ID)).toEqual([`${mount}/tsd/${ID}`]);
  expect(own(`/system.slice/docker-${ID}.scope`, ID)).toEqual([`${mount}/system.slice/docker-${ID}.scope`]);
});

test("no id, a part of one and another's are nobody's folder, and a root never is", () => {
  for (const path of ["/", "/tsd", `/tsd/${ID}`]) expect(own(path, "")).toEqual([]);
  expect(own(`/tsd/${ID}`, ID.slice(0, 12))).toEqual([]);
  expect(own(`/tsd/${"b2".repeat(32)}`, ID)).toEqual([]);
});

test("nothing is killed in a root, outside of the hierarchies, or in a folder that is not named for the container", async () => {
  const refused = async (folder: string, container?: string): Promise<string> =>
    killCgroups([folder], container).then(
      () => "",
      (error: Error) => error.message,
    );
  for (const folder of [mount, `${mount}/`, "/", "/tmp", `${mount}/tsd/../..`]) {
    expect(await refused(folder)).toContain("is no cgroup of");
    expect(await refused(folder, ID)).toContain("is no cgroup of");
  }
  expect(await refused(`${mount}/system.slice`, ID)).toContain("is no cgroup of");
  expect(await refused(`${mount}/tsd/${ID}`, "")).toContain("is no cgroup of");
  // Its own, which is gone.
  expect(await refused(`${mount}/tsd/${ID}`, ID)).toBe("");
});
