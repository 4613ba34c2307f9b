/**
 * What the engine asks of a copy process and hears from it: one JSON line in, and for `extract` the archive after it;
 * one JSON line out, and for `archive` and `export` the archive after it. Both ends are the same build, so this may
 * change freely.
 */
import type { ErrorKind } from "../errors.ts";
import type { PathStat } from "../services.ts";
import type { Rootfs } from "../shim/types.ts";
import type { Change } from "./changes.ts";

/** Where a path begins. */
export type CopyRoot =
  | { kind: "running"; pid: number; id: string }
  /**
   * One that does not run has no mounts of its own: what a volume or bind covers is entered by its place on the host,
   * if that is a folder. A tmpfs is empty then.
   */
  | { kind: "stopped"; rootfs: Rootfs; mount?: { source: string; destination: string } };

export type CopyJob =
  /** `path` is cleaned and absolute, `asked` what the client wrote. */
  | { kind: "stat"; root: CopyRoot; path: string; asked: string }
  /** Of the root, the folders `kernel` go in empty: by their absolute paths. */
  | { kind: "archive"; root: CopyRoot; path: string; asked: string; kernel: readonly string[] }
  | {
      kind: "extract";
      root: CopyRoot;
      path: string;
      /** Why nothing may be written there, if so. */
      refusal?: string;
      /** Everything is to belong to this user of the container, by the files in its own layers. */
      owner?: { words: string; rootfs: Rootfs };
      keepKinds: boolean;
      /** What something is mounted on when the container runs. */
      covered: readonly string[];
    }
  /** Without what is mounted on the paths `covered`. */
  | { kind: "export"; root: CopyRoot; covered: readonly string[] }
  | { kind: "changes"; rootfs: Rootfs };

export type CopyReport =
  | { kind: "done"; stat?: PathStat; changes?: Change[] | null }
  /** There is nothing at the path. */
  | { kind: "missing" }
  /** What the root was to be taken from runs no more, and nothing has been done. */
  | { kind: "ended" }
  /** For `extract`: the archive may come, all else is well. */
  | { kind: "ready" }
  | { kind: "failed"; error: ErrorKind; message: string };
