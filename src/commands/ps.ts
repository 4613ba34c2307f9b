/** `ps`: lists containers. */
import type { Command } from "./support/command.ts";
import type { ContainerSummary } from "./support/container/row.ts";
import { bool, filter, filterQuery, int, string } from "./support/flags.ts";
import { out } from "./support/output.ts";
import { shortId } from "./support/units.ts";

const TABLE = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

export const command: Command = {
  use: "[OPTIONS]",
  short: "List containers",
  arity: { exact: 0 },
  flags: [
    bool("all", "a", "Show all containers (only running ones unless told)"),
    filter("filter", "f", "Show only what matches the conditions"),
    string("format", undefined, "Shape the output: 'table', 'table TEMPLATE', 'json', or a Go template"),
    int("last", "n", "Show the n containers created last, in any state", { default: -1 }),
    bool("latest", "l", "Show the container created last, in any state"),
    bool("no-trunc", undefined, "Do not shorten anything"),
    bool("quiet", "q", "Show container IDs only"),
    bool("size", "s", "Show total file sizes"),
  ],
  async run({ flags, client, global }) {
    const api = await client();
    const last = flags.bool("latest") && !flags.has("last") ? 1 : flags.number("last");
    let format = flags.string("format");
    const quiet = flags.bool("quiet");
    if (format === "" && !quiet)
      format = (await import("./support/connect.ts")).readConfig(global).psFormat ?? "";
    const size = flags.bool("size") || (!quiet && /\.Size\b/.test(format));
    const query = {
      all: flags.bool("all"),
      limit: last > 0 ? last : undefined,
      size,
      filters: filterQuery(flags.list("filter")),
    };
    const containers = await api.json<ContainerSummary[]>("GET", "/containers/json", { query });
    const full = flags.bool("no-trunc");
    if (quiet && (format === "" || format === "table")) {
      out(containers.map(({ Id }) => `${full ? Id : shortId(Id)}\n`).join(""));
      return;
    }
    const { containerRow, HEADERS, plainTable } = await import("./support/container/row.ts");
    if (format === "" || format === "table") {
      out(plainTable(containers, full, size));
      return;
    }
    const { printListing } = await import("./support/format.ts");
    printListing({
      format,
      headers: HEADERS,
      table: TABLE,
      rows: containers.map((container) => containerRow(container, full)),
    });
  },
};
