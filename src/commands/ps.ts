/** `ps`: lists containers. */
import type { Command } from "./support/command.ts";
import { readConfig } from "./support/connect.ts";
import type { ContainerSummary } from "./support/container/row.ts";
import { bool, filter, filterQuery, int, string } from "./support/flags.ts";
import { err, out } from "./support/output.ts";
import { shortId } from "./support/units.ts";

const TABLE = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

const RAW =
  "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\n" +
  "status: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n";

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
    if (format === "" && !quiet) format = readConfig(global).psFormat ?? "";
    const size = flags.bool("size") || (!quiet && /\.Size\b|json \.\s*[}|)]/.test(format));
    const query = {
      all: flags.bool("all"),
      limit: last > 0 ? last : undefined,
      size,
      filters: filterQuery(flags.list("filter")),
    };
    if (quiet && flags.has("format"))
      err("WARNING: Ignoring custom format, because both --format and --quiet are set.\n");
    const containers = await api.json<ContainerSummary[]>("GET", "/containers/json", { query });
    const full = flags.bool("no-trunc");
    if (quiet) {
      out(containers.map(({ Id }) => `${full ? Id : shortId(Id)}\n`).join(""));
      return;
    }
    const { containerRow, HEADERS, NOTHING, plainTable } = await import("./support/container/row.ts");
    if (format === "" || format === "table") {
      out(plainTable(containers, full, size));
      return;
    }
    const { printListing } = await import("./support/format.ts");
    printListing({
      raw: RAW,
      sample: containerRow(NOTHING, full),
      format,
      headers: HEADERS,
      table: TABLE,
      rows: containers.map((container) => containerRow(container, full)),
    });
  },
};
