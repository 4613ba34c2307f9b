/** `tsrunc ps ID`: the container's processes, as numbers or as `ps` shows them. */
import { processesOf } from "../../engine/shim/cgroup.ts";
import type { Verb } from "../tsrunc.ts";
import { StateStore } from "./state-store.ts";

export const verb: Verb = {
  flags: { format: { kind: "value", short: "f" } },
  usage: "[--format table|json] ID [ps options]",
  words: [1],
  flagsFirst: true,
  run([id = "", ...options], flags, context) {
    const { cgroup } = new StateStore(context.root).load(id);
    const pids = processesOf(cgroup.map(({ path }) => path));
    const format = flags.value("format") ?? "table";
    if (format !== "table" && format !== "json") throw new Error("invalid format option");
    if (format === "json") {
      // Go's list of nothing.
      console.log(JSON.stringify(pids.length > 0 ? pids : null));
      return 0;
    }
    const ps = Bun.spawnSync(["ps", ...(options.length > 0 ? options : ["-ef"])]);
    if (!ps.success) throw new Error(`exit status ${ps.exitCode}: ${ps.stdout}${ps.stderr}`);
    const [header = "", ...lines] = ps.stdout.toString().trimEnd().split("\n");
    const column = header.trim().split(/\s+/).indexOf("PID");
    if (column < 0) throw new Error("couldn't find PID field in ps output");
    console.log(
      [header, ...lines.filter((line) => pids.includes(Number(line.trim().split(/\s+/)[column])))].join("\n"),
    );
    return 0;
  },
};
