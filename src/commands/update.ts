/** `update`: gives containers other limits. */
import type { Command } from "./support/command.ts";
import { limits, restartPolicy } from "./support/container/config.ts";
import { CONTAINER_FLAGS } from "./support/container/flags.ts";
import { parsePublish } from "./support/container/ports.ts";
import { forEach } from "./support/each.ts";
import { Failure } from "./support/failure.ts";
import { list, string } from "./support/flags.ts";
import { out } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";

const publishing = (field: string, words: readonly string[]) =>
  words.length > 0 ? { [field]: parsePublish(words).bindings } : {};

/** Of the flags that make a container. */
const LIMITS = new Set([
  ...["blkio-weight", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime", "cpu-shares", "cpus"],
  ...["cpuset-cpus", "cpuset-mems", "kernel-memory", "memory", "memory-reservation", "memory-swap"],
  "pids-limit",
]);

export const command: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Change the limits of one or more containers",
  arity: { min: 1 },
  flags: [
    ...CONTAINER_FLAGS.filter(({ name }) => LIMITS.has(name)),
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
      ...limits(flags),
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
