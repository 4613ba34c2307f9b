/** `images`: lists images. */
import type { Command } from "./support/command.ts";
import { readConfig } from "./support/connect.ts";
import { bool, filter, filterQuery, string } from "./support/flags.ts";
import { printListing } from "./support/format.ts";
import { HEADERS, type ImageSummary, imageRows } from "./support/image/row.ts";
import { out } from "./support/output.ts";
import { shortId } from "./support/units.ts";

const RAW =
  "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";

export const command: Command = {
  use: "[OPTIONS] [REPOSITORY[:TAG]]",
  short: "List images",
  arity: { max: 1 },
  flags: [
    bool("all", "a", "Show all images (intermediate ones are hidden unless told)"),
    bool("digests", undefined, "Show digests"),
    filter("filter", "f", "Show only what matches the conditions"),
    string("format", undefined, "Shape the output: 'table', 'table TEMPLATE', 'json', or a Go template"),
    bool("no-trunc", undefined, "Do not shorten anything"),
    bool("quiet", "q", "Show image IDs only"),
  ],
  async run({ args, flags, client, global }) {
    const api = await client();
    const filters = [...flags.list<[string, string]>("filter")];
    if (args[0] !== undefined) filters.push(["reference", args[0]]);
    const images = await api.json<ImageSummary[]>("GET", "/images/json", {
      query: { all: flags.bool("all"), filters: filterQuery(filters) },
    });
    // Newest first, whatever order the daemon keeps them in.
    images.sort((a, b) => b.Created - a.Created);
    const full = flags.bool("no-trunc");
    let format = flags.string("format");
    if (flags.bool("quiet") && (format === "" || format === "table")) {
      out(
        imageRows(images, full, false)
          .map((row) => `${full ? row.ID : shortId(String(row.ID))}\n`)
          .join(""),
      );
      return;
    }
    if (format === "") format = readConfig(global).imagesFormat ?? "";
    const digests = flags.bool("digests");
    const table = `{{.Repository}}\t{{.Tag}}\t${digests ? "{{.Digest}}\t" : ""}{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}`;
    printListing({
      raw: RAW,
      format,
      headers: HEADERS,
      table,
      rows: imageRows(images, full, digests || /\.Digest\b/.test(format)),
    });
  },
};
