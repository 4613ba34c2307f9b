/** The filters of `docker ps`. @source Engine API, operation ContainerList; moby, daemon/list.go */
import { EngineError } from "../errors.ts";
import {
  booleanFilter,
  type Filters,
  hasFilter,
  matchExact,
  matchPairs,
  matchPattern,
  validateFilters,
} from "../filters.ts";
import type { ContainerImages } from "../image/types.ts";
import { networksOf } from "../network/settings.ts";
import type { PortSummary } from "../network/view.ts";
import type { Container } from "./container.ts";
import { isRunning, NEVER, statusWord } from "./state.ts";
import type { ContainerStore } from "./store.ts";

const ACCEPTED = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "isolation",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];
const STATES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTHS = ["starting", "healthy", "unhealthy", "none"];

export interface Selection {
  matches(container: Container): boolean;
  /** Only those that come after this one in the list (created earlier). */
  before?: Container;
  /** The list ends before this one. */
  since?: Container;
  /** A filter that asks for others than running ones. */
  all: boolean;
}

const invalid = (message: string): EngineError => new EngineError("invalid", message);

function exitCodes(filters: Filters): Set<number> | undefined {
  if (!filters.exited?.length) return undefined;
  return new Set(
    filters.exited.map((value) => {
      if (/^[+-]?\d+$/.test(value)) return Number(value);
      throw invalid(
        `invalid filter 'exited=${value}': strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
    }),
  );
}

function checkWords(filters: Filters): void {
  for (const value of filters.status ?? []) {
    if (STATES.includes(value)) continue;
    throw invalid(
      `invalid filter 'status=${value}': invalid value for state (${value}): must be one of ${STATES.join(", ")}`,
    );
  }
  for (const value of filters.health ?? []) {
    if (HEALTHS.includes(value)) continue;
    throw invalid(
      `invalid filter 'health=${value}': invalid value for health (${value}): must be one of ${HEALTHS.join(", ")}`,
    );
  }
}

/** The ports that are asked for; undefined when nothing is. */
function ports(filters: Filters, key: "publish" | "expose"): Set<string> | undefined {
  if (!filters[key]?.length) return undefined;
  return new Set(
    filters[key].flatMap((value) => {
      if (value.includes(":")) throw invalid(`filter for '${key}' should not contain ':': ${value}`);
      const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(value);
      const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
      if (!match || to > 65535) {
        throw invalid(`error while looking up for ${key} ${value}: invalid port: ${value}`);
      }
      const count = Math.max(0, to - from + 1);
      return Array.from({ length: count }, (_, i) => `${from + i}/${match[3] ?? "tcp"}`);
    }),
  );
}

/** Of the ports as they are shown, one that is published as, or is inside, one of those that are asked for. */
function matchPorts(filters: Filters): (shown: () => readonly PortSummary[]) => boolean {
  const [published, exposed] = [ports(filters, "publish"), ports(filters, "expose")];
  if (!published && !exposed) return () => true;
  return (shown) =>
    shown().some(
      ({ PublicPort = 0, PrivatePort, Type }) =>
        published?.has(`${PublicPort}/${Type}`) || exposed?.has(`${PrivatePort}/${Type}`),
    );
}

/** Ids of the images that `ancestor` names; an unknown name matches nothing. */
function ancestors(filters: Filters, images: ContainerImages): Set<string> | undefined {
  if (!hasFilter(filters, "ancestor")) return undefined;
  const ids = new Set<string>();
  for (const name of filters.ancestor!) {
    try {
      ids.add(images.resolve(name).id);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
    }
  }
  return ids;
}

function matchVolume(filters: Filters, { record: { mounts } }: Container): boolean {
  if (!hasFilter(filters, "volume")) return true;
  return filters.volume!.some((value) =>
    mounts.some((mount) => mount.destination === value || (mount.name ?? mount.source) === value),
  );
}

function matchNetwork(filters: Filters, container: Container): boolean {
  if (!hasFilter(filters, "network")) return true;
  const networks = networksOf(container);
  return filters.network!.some(
    (value) =>
      Object.hasOwn(networks, value) ||
      Object.values(networks).some(({ NetworkID }) => NetworkID !== "" && NetworkID.startsWith(value)),
  );
}

/** Ids match by their start, when only one container's starts like this. */
function idsOf(filters: Filters, store: ContainerStore): Set<string> | undefined {
  if (!filters.id?.length) return undefined;
  return new Set(
    filters.id.flatMap((value) => {
      const found = store.withPrefix(value);
      return found.length === 1 ? [found[0]!.id] : [];
    }),
  );
}

/** `portsOf`: as the list shows them. */
export function select(
  filters: Filters,
  store: ContainerStore,
  images: ContainerImages,
  portsOf: (container: Container) => readonly PortSummary[],
): Selection {
  validateFilters(filters, ACCEPTED);
  checkWords(filters);
  const codes = exitCodes(filters);
  const ids = idsOf(filters, store);
  const imageIds = ancestors(filters, images);
  const task = hasFilter(filters, "is-task") ? booleanFilter(filters, "is-task", false) : undefined;
  const matchesPorts = matchPorts(filters);
  const before = filters.before?.length ? store.find(filters.before.at(-1)!) : undefined;
  const since = filters.since?.length ? store.find(filters.since.at(-1)!) : undefined;
  const matches = (container: Container): boolean => {
    const { name, record, state } = container;
    return (
      (ids === undefined || ids.has(container.id)) &&
      (matchPattern(filters, "name", name) || matchPattern(filters, "name", name.slice(1))) &&
      task !== true &&
      matchPairs(filters, "label", record.config.Labels) &&
      (codes === undefined ||
        (codes.has(state.exitCode) && !isRunning(state) && state.startedAt !== NEVER)) &&
      matchExact(filters, "status", statusWord(state, container.removing)) &&
      matchExact(filters, "health", "none") &&
      matchVolume(filters, container) &&
      (imageIds === undefined || imageIds.has(record.image.id)) &&
      matchNetwork(filters, container) &&
      matchesPorts(() => portsOf(container))
    );
  };
  return { matches, before, since, all: Boolean(filters.status?.length) };
}
