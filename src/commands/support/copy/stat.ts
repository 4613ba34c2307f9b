/** Looking at a path inside a container. */
import type { ApiClient } from "../../../engine/api/client.ts";
import { pathWord } from "../path-word.ts";

export interface PathStat {
  readonly name: string;
  readonly size: number;
  readonly isFolder: boolean;
  readonly isLink: boolean;
  readonly linkTarget: string;
}

// Go's file modes, not the kernel's.
const FOLDER = 0x80000000;
const LINK = 0x08000000;

export function decodeStat(header: string | undefined): PathStat {
  const stat = JSON.parse(Buffer.from(header ?? "e30=", "base64").toString()) as {
    name: string;
    size: number;
    mode: number;
    linkTarget: string;
  };
  return {
    name: stat.name,
    size: stat.size,
    isFolder: (stat.mode & FOLDER) !== 0,
    isLink: (stat.mode & LINK) !== 0,
    linkTarget: stat.linkTarget,
  };
}

export async function statPath(api: ApiClient, container: string, path: string): Promise<PathStat> {
  const answer = await api.request("HEAD", `/containers/${pathWord(container)}/archive`, { query: { path } });
  return decodeStat(answer.headers.get("x-docker-container-path-stat"));
}
