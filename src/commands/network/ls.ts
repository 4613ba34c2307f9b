/** `network ls`: lists networks. */
import type { Command } from "../support/command.ts";
import { readConfig } from "../support/connect.ts";
import { bool, filter, filterQuery, string } from "../support/flags.ts";
import { printListing } from "../support/format.ts";
import { naturalOrder } from "../support/natural-order.ts";
import { HEADERS, type NetworkSummary, networkRow, RAW, TABLE } from "../support/network/row.ts";
import { out } from "../support/output.ts";

export const command: Command = {
  use: "[OPTIONS]",
  short: "List networks",
  arity: { exact: 0 },
  flags: [
    filter("filter", "f", 'Show only what matches the conditions (e.g. "driver=bridge")'),
    string("format", undefined, "Shape the output: 'table', 'table TEMPLATE', 'json', or a Go template"),
    bool("no-trunc", undefined, "Do not shorten anything"),
    bool("quiet", "q", "Show network IDs only"),
  ],
  async run({ flags, client, global }) {
    const networks = await (await client()).json<NetworkSummary[]>("GET", "/networks", {
      query: { filters: filterQuery(flags.list<[string, string]>("filter")) },
    });
    networks.sort((a, b) => naturalOrder(a.Name, b.Name));
    const rows = networks.map((network) => networkRow(network, flags.bool("no-trunc")));
    const quiet = flags.bool("quiet");
    let format = flags.string("format");
    if (quiet && (format === "" || format === "table")) {
      out(rows.map(({ ID }) => `${ID}\n`).join(""));
      return;
    }
    if (format === "") {
      format = readConfig(global).networksFormat ?? "";
    }
    const raw = quiet ? "network_id: {{.ID}}" : RAW;
    printListing({ raw, format, headers: HEADERS, table: TABLE, rows });
  },
};
