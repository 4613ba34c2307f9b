/** Images as `images` shows them: one row for every name. */

import { TYPE } from "../../../engine/template/values.ts";
import type { Row } from "../format.ts";
import { goTime } from "../time.ts";
import { humanDuration, humanSize, shortId } from "../units.ts";
import { familiar } from "./reference.ts";

export interface ImageSummary {
  readonly Id: string;
  readonly RepoTags?: readonly string[] | null;
  readonly RepoDigests?: readonly string[] | null;
  /** Seconds. */
  readonly Created: number;
  readonly Size: number;
  readonly SharedSize?: number;
  readonly Containers?: number;
}

export const HEADERS: Readonly<Record<string, string>> = {
  ID: "IMAGE ID",
  Repository: "REPOSITORY",
  Tag: "TAG",
  Digest: "DIGEST",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  Size: "SIZE",
  Containers: "CONTAINERS",
  VirtualSize: "SIZE",
  SharedSize: "SHARED SIZE",
  UniqueSize: "UNIQUE SIZE",
};

const NONE = "<none>";

function row(image: ImageSummary, full: boolean, repository: string, tag: string, digest: string): Row {
  return {
    [TYPE]: "*formatter.imageContext",
    ID: full ? image.Id : shortId(image.Id),
    Repository: repository,
    Tag: tag,
    Digest: digest,
    CreatedSince: image.Created > 0 ? `${humanDuration(Date.now() - image.Created * 1000)} ago` : "N/A",
    CreatedAt: goTime(image.Created),
    Size: humanSize(image.Size, 3),
    Containers: image.Containers === undefined || image.Containers < 0 ? "N/A" : String(image.Containers),
    VirtualSize: humanSize(image.Size),
    SharedSize: image.SharedSize === undefined || image.SharedSize < 0 ? "N/A" : humanSize(image.SharedSize),
    UniqueSize:
      image.SharedSize === undefined || image.SharedSize < 0
        ? "N/A"
        : humanSize(image.Size - image.SharedSize),
  };
}

export function imageRows(images: readonly ImageSummary[], full: boolean, digests: boolean): Row[] {
  const rows: Row[] = [];
  for (const image of images) {
    const tags = (image.RepoTags ?? []).filter((name) => name !== "<none>:<none>");
    const known = (image.RepoDigests ?? []).filter((name) => name !== "<none>@<none>");
    const digestsOf = new Map<string, string[]>();
    for (const name of known) {
      const at = name.indexOf("@");
      const repository = familiar(name.slice(0, at));
      digestsOf.set(repository, [...(digestsOf.get(repository) ?? []), name.slice(at + 1)]);
    }
    const named = new Set<string>();
    for (const name of tags) {
      const colon = name.lastIndexOf(":");
      const repository = familiar(name.slice(0, colon));
      named.add(repository);
      const list = digests ? (digestsOf.get(repository) ?? [NONE]) : [NONE];
      for (const digest of list) rows.push(row(image, full, repository, name.slice(colon + 1), digest));
    }
    for (const [repository, list] of digestsOf) {
      if (named.has(repository)) continue;
      named.add(repository);
      for (const digest of digests ? list : [NONE]) rows.push(row(image, full, repository, NONE, digest));
    }
    if (named.size === 0) rows.push(row(image, full, NONE, NONE, NONE));
  }
  return rows;
}
