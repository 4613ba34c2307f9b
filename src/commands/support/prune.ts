/** What the prune verbs share: each kind of thing removed, listed, and counted. */
import { type ApiClient, ApiError } from "../../engine/api/client.ts";
import { filterQuery } from "./flags.ts";

export interface Pruned {
  readonly text: string;
  readonly reclaimed: number;
}

const section = (title: string, names: readonly string[]): string =>
  names.length === 0 ? "" : `${title}:\n${names.join("\n")}\n`;

export async function pruneContainers(api: ApiClient, filters: string | undefined): Promise<Pruned> {
  const answer = await api.json<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }>(
    "POST",
    "/containers/prune",
    { query: { filters } },
  );
  return {
    text: section("Deleted Containers", answer.ContainersDeleted ?? []),
    reclaimed: answer.SpaceReclaimed,
  };
}

export async function pruneImages(
  api: ApiClient,
  all: boolean,
  filters: readonly [string, string][],
): Promise<Pruned> {
  const query = { filters: filterQuery([...filters, ["dangling", String(!all)]]) };
  const answer = await api.json<{
    ImagesDeleted: { Untagged?: string; Deleted?: string }[] | null;
    SpaceReclaimed: number;
  }>("POST", "/images/prune", { query });
  const gone = (answer.ImagesDeleted ?? []).map(({ Untagged, Deleted }) =>
    Untagged ? `untagged: ${Untagged}` : `deleted: ${Deleted}`,
  );
  return { text: section("Deleted Images", gone), reclaimed: answer.SpaceReclaimed };
}

/** Networks and volumes; a daemon that has none of them yet has nothing to remove. */
export async function pruneNamed(
  api: ApiClient,
  kind: "networks" | "volumes",
  filters: string | undefined,
): Promise<Pruned> {
  try {
    const answer = await api.json<Record<string, unknown>>("POST", `/${kind}/prune`, { query: { filters } });
    const names = (answer[kind === "networks" ? "NetworksDeleted" : "VolumesDeleted"] ?? []) as string[];
    return {
      text: section(kind === "networks" ? "Deleted Networks" : "Deleted Volumes", names),
      reclaimed: Number(answer.SpaceReclaimed ?? 0),
    };
  } catch (error) {
    if (error instanceof ApiError && (error.status === 501 || error.status === 404))
      return { text: "", reclaimed: 0 };
    throw error;
  }
}
