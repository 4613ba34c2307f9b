/** `events`: what happens in the daemon, as it happens. */
import type { Command } from "./support/command.ts";
import { Failure, messageOf } from "./support/failure.ts";
import { filter, filterQuery, string } from "./support/flags.ts";
import { out } from "./support/output.ts";
import { nanoTime, timestamp } from "./support/time.ts";

interface Message {
  Type?: string;
  Action?: string;
  Actor: { ID: string; Attributes?: Record<string, string> };
  time?: number;
  timeNano?: number;
}

/** The exact moment, which JavaScript's numbers cannot hold. */
const NANO = /"timeNano":\s*(\d+)/;

export const command: Command = {
  use: "[OPTIONS]",
  short: "Follow the daemon's events",
  arity: { exact: 0 },
  flags: [
    filter("filter", "f", "Show only what matches the conditions"),
    string("format", undefined, "Shape the output: 'json', or a Go template"),
    string("since", undefined, "Show all events created since the time"),
    string("until", undefined, "Stop at this time"),
  ],
  async run({ flags, client }) {
    const format = flags.string("format");
    const show = await shower(format);
    const time = (name: string): string | undefined =>
      flags.string(name) === "" ? undefined : timestamp(flags.string(name));
    const api = await client();
    const query = { since: time("since"), until: time("until"), filters: filterQuery(flags.list("filter")) };
    const answer = await api.request("GET", "/events", { query });
    await answer.body.eachLine((line) => out(`${show(line)}\n`));
  },
};

async function shower(format: string): Promise<(line: string) => string> {
  if (format === "json" || format === "{{json .}}") return (line) => line.trim();
  if (format === "") return plain;
  const [{ parseTemplate }, { execute }] = [
    await import("../engine/template/parse.ts"),
    await import("../engine/template/execute.ts"),
  ];
  let template: ReturnType<typeof parseTemplate>;
  try {
    template = parseTemplate("", format);
  } catch (error) {
    throw new Failure(`Error parsing format: ${messageOf(error)}`, 64);
  }
  const [{ typed }, { SYSTEM_TYPES }] = [
    await import("./support/template/typed.ts"),
    await import("./support/template/types/system.ts"),
  ];
  const show = (message: object): string => {
    try {
      return execute(template, typed(SYSTEM_TYPES, "events.Message", message));
    } catch (error) {
      throw new Failure(
        `Error parsing format: ${messageOf(error).replace(" in type events.", " in type *events.")}`,
        64,
      );
    }
  };
  // A mistake is found now, not at the first event.
  show({});
  return (line) => {
    const message = JSON.parse(line) as Omit<Message, "timeNano"> & { timeNano?: number | bigint };
    const nano = NANO.exec(line)?.[1];
    if (nano) message.timeNano = BigInt(nano);
    return show(message);
  };
}

function plain(line: string): string {
  const event = JSON.parse(line) as Message;
  const nano = NANO.exec(line)?.[1];
  const at =
    nano && nano !== "0" ? nanoTime(BigInt(nano)) : nanoTime(BigInt(event.time ?? 0) * 1_000_000_000n);
  const attributes = Object.entries(event.Actor.Attributes ?? {}).toSorted((a, b) => (a[0] < b[0] ? -1 : 1));
  const detail =
    attributes.length > 0 ? ` (${attributes.map(([name, value]) => `${name}=${value}`).join(", ")})` : "";
  return `${at} ${event.Type ?? ""} ${event.Action ?? ""} ${event.Actor.ID}${detail}`;
}
