/** A container as `ps` shows it. */

import { goQuote } from "../../../engine/template/quote.ts";
import { AS_JSON, TEXT, TYPE } from "../../../engine/template/values.ts";
import type { Row } from "../format.ts";
import { align } from "../table.ts";
import { goTime } from "../time.ts";
import { ellipsis, humanDuration, humanSize, shortId } from "../units.ts";

export interface ContainerSummary {
  readonly Id: string;
  readonly Names: readonly string[] | null;
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Seconds. */
  readonly Created: number;
  readonly State: string;
  readonly Status: string;
  readonly Ports?: readonly Port[] | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Mounts?: readonly { Name?: string; Source: string; Driver?: string }[] | null;
  readonly ImageManifestDescriptor?: { platform?: Platform | null } | null;
  readonly NetworkSettings?: { Networks?: Record<string, unknown> | null } | null;
}

interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
}

/** Shown in one word, and in JSON as it came. */
function platform(value: Platform | null | undefined): Record<string | symbol, unknown> | null {
  if (!value) return null;
  return {
    [TYPE]: "*formatter.Platform",
    [TEXT]: [value.os, value.architecture, value.variant].filter(Boolean).join("/"),
    [AS_JSON]: () => JSON.stringify(value),
  };
}

export interface Port {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

export const HEADERS: Readonly<Record<string, string>> = {
  ID: "CONTAINER ID",
  Names: "NAMES",
  Image: "IMAGE",
  Command: "COMMAND",
  CreatedAt: "CREATED AT",
  RunningFor: "CREATED",
  Ports: "PORTS",
  State: "STATE",
  Status: "STATUS",
  Size: "SIZE",
  Labels: "LABELS",
  Mounts: "MOUNTS",
  LocalVolumes: "LOCAL VOLUMES",
  Networks: "NETWORKS",
  Platform: "PLATFORM",
};

/** What a template is tried on first, as Docker's client does: some mistakes show only then. */
export const NOTHING: ContainerSummary = {
  Id: "",
  Names: [],
  Image: "",
  ImageID: "",
  Command: "",
  Created: 0,
  State: "",
  Status: "",
};

function names(container: ContainerSummary, full: boolean): string {
  const all = (container.Names ?? []).map((name) => name.replace(/^\//, ""));
  // Names with a slash are those of links.
  return full ? all.join(",") : (all.find((name) => !name.includes("/")) ?? "");
}

function image(container: ContainerSummary, full: boolean): string {
  if (container.Image === "") return "<no image>";
  if (full) return container.Image;
  const id = shortId(container.ImageID);
  if (id === shortId(container.Image)) return id;
  const at = container.Image.indexOf("@");
  const name = at < 0 ? container.Image : container.Image.slice(0, at);
  return name.replace(/^docker\.io\/(?:library\/)?/, "");
}

const commandText = (container: ContainerSummary, full: boolean): string =>
  goQuote(full ? container.Command : ellipsis(container.Command, 20));

const age = (seconds: number): string => `${humanDuration(Date.now() - seconds * 1000)} ago`;

function size(container: ContainerSummary): string {
  const own = humanSize(container.SizeRw ?? 0, 3);
  return (container.SizeRootFs ?? 0) > 0
    ? `${own} (virtual ${humanSize(container.SizeRootFs as number, 3)})`
    : own;
}

/** A locale's order would pass over colons and dots. */
const byBytes = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Ports in a row are shown as a range, unless they are published under other numbers. */
export function showPorts(ports: readonly Port[]): string {
  const groups = new Map<string, [number, number]>();
  const mapped: string[] = [];
  const shown: string[] = [];
  const host = (ip: string): string => (ip.includes(":") ? `[${ip}]` : ip);
  const show = (key: string, [from, to]: [number, number]): string => {
    const slash = key.lastIndexOf("/");
    const type = key.slice(slash + 1);
    const range = from === to ? String(from) : `${from}-${to}`;
    return slash < 0 ? `${range}/${type}` : `${host(key.slice(0, slash))}:${range}->${range}/${type}`;
  };
  const order = ports.toSorted(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      byBytes(a.IP ?? "", b.IP ?? "") ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      byBytes(a.Type, b.Type),
  );
  for (const { IP, PrivatePort, PublicPort, Type } of order) {
    if (IP && PublicPort !== PrivatePort) {
      mapped.push(`${host(IP)}:${PublicPort}->${PrivatePort}/${Type}`);
      continue;
    }
    const key = IP ? `${IP}/${Type}` : Type;
    const group = groups.get(key);
    if (group && PrivatePort === group[1] + 1) group[1] = PrivatePort;
    else {
      if (group) shown.push(show(key, group));
      groups.set(key, [PrivatePort, PrivatePort]);
    }
  }
  for (const [key, group] of groups) shown.push(show(key, group));
  return [...shown, ...mapped].join(", ");
}

const labels = (container: ContainerSummary): string =>
  Object.entries(container.Labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join(",");

export function containerRow(container: ContainerSummary, full: boolean): Row {
  const mounts = container.Mounts ?? [];
  return {
    [TYPE]: "*formatter.ContainerContext",
    ID: full ? container.Id : shortId(container.Id),
    Names: names(container, full),
    Image: image(container, full),
    Command: commandText(container, full),
    CreatedAt: goTime(container.Created),
    RunningFor: age(container.Created),
    Ports: showPorts(container.Ports ?? []),
    State: container.State,
    Status: container.Status,
    Size: size(container),
    Labels: labels(container),
    Label: (name: unknown) => container.Labels?.[String(name)] ?? "",
    Mounts: mounts
      .map(({ Name, Source }) => (full ? Name || Source : ellipsis(Name || Source, 15)))
      .join(","),
    LocalVolumes: String(mounts.filter(({ Driver }) => Driver === "local").length),
    Networks: Object.keys(container.NetworkSettings?.Networks ?? {}).join(","),
    Platform: platform(container.ImageManifestDescriptor?.platform),
  };
}

/** The default table, without the template engine: this is what `ps` is run for. */
export function plainTable(
  containers: readonly ContainerSummary[],
  full: boolean,
  withSize: boolean,
): string {
  let text = `CONTAINER ID\tIMAGE\tCOMMAND\tCREATED\tSTATUS\tPORTS\tNAMES${withSize ? "\tSIZE" : ""}\n`;
  for (const container of containers) {
    text += `${full ? container.Id : shortId(container.Id)}\t${image(container, full)}\t${commandText(container, full)}\t`;
    text += `${age(container.Created)}\t${container.Status}\t${showPorts(container.Ports ?? [])}\t${names(container, full)}`;
    text += withSize ? `\t${size(container)}\n` : "\n";
  }
  return align(text);
}
