/** `tsrunc ps ID`: the container's processes, as numbers or as `ps` shows them. */
import type { Verb } from "../tsrunc.ts";
import { cgroupPids } from "./cgroup.ts";
import { StateStore } from "./state-store.ts";

export const verb: Verb = {
  flags: { format: { kind: "value", short: "f" } },
  usage: "[--format table|json] ID [ps options]",
  words: [1],
  run([id = "", ...options], flags, context) {
    const pids = cgroupPids(new StateStore(context.root).load(id).cgroup);
    const format = flags.value("format") ?? "table";
    if (format !== "table" && format !== "json") throw new Error("invalid format option");
    if (format === "json") {
      console.log(JSON.stringify(pids));
      return 0;
    }
    const { stdout } = Bun.spawnSync(["ps", ...(options.length > 0 ? options : ["-ef"])]);
    const [header = "", ...lines] = stdout.toString().trimEnd().split("\n");
    const column = header.trim().split(/\s+/).indexOf("PID");
    if (column < 0) throw new Error("couldn't find PID field in ps output");
    console.log(
      [header, ...lines.filter((line) => pids.includes(Number(line.trim().split(/\s+/)[column])))].join("\n"),
    );
    return 0;
  },
};
