/** `system df`: what the daemon keeps on disk, and how much of it could go. */

import { execute } from "../../engine/template/execute.ts";
import { AS_JSON, TYPE, toJson } from "../../engine/template/values.ts";
import type { Command } from "../support/command.ts";
import { type ContainerSummary, containerRow } from "../support/container/row.ts";
import { Failure, messageOf } from "../support/failure.ts";
import { bool, string } from "../support/flags.ts";
import { parseFormat, printListing, type Row, renderListing } from "../support/format.ts";
import { type ImageSummary, imageRows } from "../support/image/row.ts";
import { out } from "../support/output.ts";
import { humanSize } from "../support/units.ts";

interface Usage {
  LayersSize: number;
  Images?: ImageSummary[] | null;
  Containers?: ContainerSummary[] | null;
  Volumes?:
    | {
        Name: string;
        Driver?: string;
        Scope?: string;
        Mountpoint?: string;
        Labels?: Record<string, string> | null;
        UsageData?: { Size: number; RefCount: number } | null;
      }[]
    | null;
  BuildCache?: { ID: string; Size: number; InUse: boolean; Shared: boolean }[] | null;
}

const HEADERS = {
  Type: "TYPE",
  TotalCount: "TOTAL",
  Active: "ACTIVE",
  Size: "SIZE",
  Reclaimable: "RECLAIMABLE",
};

export const command: Command = {
  use: "[OPTIONS]",
  short: "Show how much disk is used",
  arity: { exact: 0 },
  flags: [
    string("format", undefined, "Shape the output: 'table', 'table TEMPLATE', 'json', or a Go template"),
    bool("verbose", "v", "Show each thing by itself"),
  ],
  async run({ flags, client }) {
    const format = flags.string("format");
    const usage = await (await client()).json<Usage>("GET", "/system/df");
    if (!flags.bool("verbose")) {
      const table = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
      printListing({ format, headers: HEADERS, table, rows: summary(usage) });
      return;
    }
    out(format === "" ? verbose(usage) : shaped(usage, format));
  },
};

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + Math.max(0, size), 0);

function row(
  type: string,
  total: number,
  active: number,
  size: number,
  reclaimable: number,
  percent = true,
): Row {
  const share = percent && size > 0 ? ` (${Math.trunc((reclaimable * 100) / size)}%)` : "";
  const context = type === "Build Cache" ? "Builder" : type.replace("Local ", "");
  return {
    [TYPE]: `*formatter.diskUsage${context}Context`,
    Type: type,
    TotalCount: String(total),
    Active: String(active),
    Size: humanSize(size),
    Reclaimable: `${humanSize(reclaimable)}${share}`,
  };
}

function summary(usage: Usage): Row[] {
  const images = usage.Images ?? [];
  const used = images.filter(({ Containers }) => (Containers ?? 0) > 0);
  const inUse = sum(
    used.map(({ Size, SharedSize }) => (Size === -1 || SharedSize === -1 ? 0 : Size - (SharedSize ?? 0))),
  );
  const containers = usage.Containers ?? [];
  const running = containers.filter(
    ({ State }) => State === "running" || State === "paused" || State === "restarting",
  );
  const idle = containers.filter((container) => !running.includes(container));
  const volumes = usage.Volumes ?? [];
  const bound = volumes.filter(({ UsageData }) => (UsageData?.RefCount ?? 0) > 0);
  const cache = usage.BuildCache ?? [];
  const size = (list: typeof volumes): number => sum(list.map(({ UsageData }) => UsageData?.Size ?? 0));
  const own = (list: typeof containers): number => sum(list.map(({ SizeRw }) => SizeRw ?? 0));
  return [
    row("Images", images.length, used.length, usage.LayersSize, usage.LayersSize - inUse),
    row("Containers", containers.length, running.length, own(containers), own(idle)),
    row(
      "Local Volumes",
      volumes.length,
      bound.length,
      size(volumes),
      size(volumes.filter((volume) => !bound.includes(volume))),
    ),
    row(
      "Build Cache",
      cache.length,
      cache.filter(({ InUse }) => InUse).length,
      sum(cache.map((item) => item.Size)),
      sum(cache.filter((item) => !item.InUse && !item.Shared).map((item) => item.Size)),
      false,
    ),
  ];
}

/** All things at once, as one value for a template. */
function shaped(usage: Usage, format: string): string {
  const images = imageRows(firstNamed(usage), true, false).map((row) => ({ ...row, Digest: "" }) as Row);
  const volumes = (usage.Volumes ?? []).map((volume): Row => {
    const labels = Object.entries(volume.Labels ?? {}).map(([name, value]) => `${name}=${value}`);
    return {
      [TYPE]: "*formatter.volumeContext",
      Availability: "N/A",
      Driver: volume.Driver ?? "",
      Group: "N/A",
      Labels: labels.toSorted().join(","),
      Links: String(volume.UsageData?.RefCount ?? 0),
      Mountpoint: volume.Mountpoint ?? "",
      Name: volume.Name,
      Scope: volume.Scope ?? "",
      Size: humanSize(volume.UsageData?.Size ?? 0),
      Status: "N/A",
    };
  });
  const all = {
    Images: images,
    Containers: (usage.Containers ?? []).map(
      (item) => ({ ...containerRow(item, true), Size: humanSize(item.SizeRw ?? 0, 3) }) as Row,
    ),
    Volumes: volumes,
    BuildCache: [] as Row[],
  };
  const json = (): string =>
    `{${Object.entries(all)
      .map(([name, rows]) => `"${name}":${toJson(rows)}`)
      .join(",")}}`;
  if (format === "json" || format === "{{json .}}") return json();
  const record = { ...all, [TYPE]: "*formatter.diskUsageContext", [AS_JSON]: json };
  try {
    return execute(parseFormat(format), record);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(`template parsing error: ${messageOf(error)}`);
  }
}

/** An image takes its place once, whatever it is called. */
function firstNamed({ Images }: Usage): ImageSummary[] {
  return (Images ?? []).map((image) => ({
    ...image,
    RepoTags: image.RepoTags?.slice(0, 1),
    RepoDigests: null,
  }));
}

/** What `-v` shows. */
export function verbose(usage: Usage): string {
  const table = (headers: Record<string, string>, rows: Row[]): string =>
    renderListing({
      format: "",
      headers,
      table: Object.keys(headers)
        .map((name) => `{{.${name}}}`)
        .join("\t"),
      rows,
    });
  const imageHeaders = {
    Repository: "REPOSITORY",
    Tag: "TAG",
    ID: "IMAGE ID",
    CreatedSince: "CREATED",
    Size: "SIZE",
    SharedSize: "SHARED SIZE",
    UniqueSize: "UNIQUE SIZE",
    Containers: "CONTAINERS",
  };
  const containerHeaders = {
    ID: "CONTAINER ID",
    Image: "IMAGE",
    Command: "COMMAND",
    LocalVolumes: "LOCAL VOLUMES",
    Size: "SIZE",
    RunningFor: "CREATED",
    Status: "STATUS",
    Names: "NAMES",
  };
  // Size in the writable layer alone: what would go with the container.
  const containers = (usage.Containers ?? []).map(
    (item) =>
      ({
        ...containerRow(item, false),
        Size: humanSize(item.SizeRw ?? 0, 3),
        [TYPE]: "*formatter.ContainerContext",
      }) as Row,
  );
  const volumes = (usage.Volumes ?? []).map(
    ({ Name, UsageData }): Row => ({
      [TYPE]: "*formatter.volumeContext",
      Name,
      Links: String(UsageData?.RefCount ?? 0),
      Size: humanSize(UsageData?.Size ?? 0),
    }),
  );
  return (
    `Images space usage:\n\n${table(imageHeaders, imageRows(firstNamed(usage), false, false))}` +
    `\nContainers space usage:\n\n${table(containerHeaders, containers)}` +
    `\nLocal Volumes space usage:\n\n${table({ Name: "VOLUME NAME", Links: "LINKS", Size: "SIZE" }, volumes)}` +
    `\nBuild cache usage: ${humanSize(sum((usage.BuildCache ?? []).map(({ Size }) => Size)))}\n\n` +
    `${table({ ID: "CACHE ID", CacheType: "CACHE TYPE", Size: "SIZE", CreatedSince: "CREATED", LastUsedSince: "LAST USED", UsageCount: "USAGE", Shared: "SHARED" }, [])}`
  );
}
