/** `update`: gives containers other limits. */
import type { Command } from "./support/command.ts";
import { restartPolicy } from "./support/container/config.ts";
import { memorySwap } from "./support/container/flags.ts";
import { parsePublish } from "./support/container/ports.ts";
import { parseCpus } from "./support/container/resources.ts";
import { forEach } from "./support/each.ts";
import { Failure } from "./support/failure.ts";
import { bytes, int, list, string, uint16 } from "./support/flags.ts";
import { out } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";

const publishing = (field: string, words: readonly string[]) =>
  words.length > 0 ? { [field]: parsePublish(words).bindings } : {};

export const command: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Change the limits of one or more containers",
  arity: { min: 1 },
  flags: [
    uint16("blkio-weight", undefined, "Relative weight of block IO, 10 to 1000, or 0 for none (default 0)"),
    int("cpu-period", undefined, "Period of the CPU quota, in microseconds"),
    int("cpu-quota", undefined, "CPU time in each period, in microseconds"),
    int("cpu-rt-period", undefined, "Real-time CPU period, in microseconds"),
    int("cpu-rt-runtime", undefined, "Real-time CPU time in each period, in microseconds"),
    int("cpu-shares", "c", "CPU shares (relative weight)"),
    string("cpus", undefined, "Number of CPUs", { type: "decimal", default: 0, parse: parseCpus }),
    string("cpuset-cpus", undefined, "CPUs to run on (0-3, 0,1)"),
    string("cpuset-mems", undefined, "Memory nodes to use (0-3, 0,1)"),
    bytes("kernel-memory", undefined, "Kernel memory limit", { hidden: true }),
    bytes("memory", "m", "Memory limit"),
    bytes("memory-reservation", undefined, "Soft limit of memory"),
    bytes("memory-swap", undefined, "Limit of memory and swap together: '-1' for unlimited swap", {
      parse: memorySwap,
    }),
    int("pids-limit", undefined, "Limit of processes (-1 for unlimited)"),
    list("publish-add", undefined, "Publish one more port, at once: [[IP:]HOST:]CONTAINER[/PROTOCOL]"),
    list(
      "publish-rm",
      undefined,
      "Publish a port no more; connections through it end: as --publish-add has it, or a port of the host alone",
    ),
    string("restart", undefined, "What to do when the container exits"),
  ],
  async run({ args, flags, client }) {
    if (flags.changed.size === 0)
      throw new Failure("you must provide one or more flags when using this command");
    const pids = flags.number("pids-limit");
    const body = {
      CpuShares: flags.number("cpu-shares"),
      Memory: flags.number("memory"),
      NanoCpus: flags.number("cpus"),
      BlkioWeight: flags.number("blkio-weight"),
      CpuPeriod: flags.number("cpu-period"),
      CpuQuota: flags.number("cpu-quota"),
      CpuRealtimePeriod: flags.number("cpu-rt-period"),
      CpuRealtimeRuntime: flags.number("cpu-rt-runtime"),
      CpusetCpus: flags.string("cpuset-cpus"),
      CpusetMems: flags.string("cpuset-mems"),
      MemoryReservation: flags.number("memory-reservation"),
      MemorySwap: flags.number("memory-swap"),
      PidsLimit: pids === 0 ? null : pids,
      RestartPolicy: restartPolicy(flags.string("restart")),
      // Not Docker's, so only sent when asked for.
      ...publishing("PublishAdd", flags.list("publish-add")),
      ...publishing("PublishRm", flags.list("publish-rm")),
    };
    const api = await client();
    const warnings: string[] = [];
    try {
      await forEach(args, async (name) => {
        const answer = await api.json<{ Warnings: string[] | null }>(
          "POST",
          `/containers/${pathWord(name)}/update`,
          { body },
        );
        warnings.push(...(answer.Warnings ?? []));
        return name;
      });
    } finally {
      if (warnings.length > 0) out(`${warnings.join("\n")}\n`);
    }
  },
};
