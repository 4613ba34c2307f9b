/**
 * A tmpfs that begins with what was in the folder it hides (`tmpcopyup`): podman's `--tmpfs` and `--read-only` ask for
 * it. What there is to copy is looked up before the plan is made; what is in the files goes over while it runs.
 */
import { AT, O, OPEN_HOW_SIZE, RESOLVE } from "../../ffi/file.ts";
import { EngineError } from "../errors.ts";
import { openHow } from "./inside.ts";
import { flags, named, type PlanBuilder } from "./plan.ts";

export interface Entry {
  kind: "folder" | "file" | "link" | "node";
  /** Below the folder; "" is that itself. */
  path: string;
  /** With the type. */
  mode: number;
  uid: number;
  gid: number;
  /** Of a file, bytes. */
  size: number;
  /** Of a link. */
  target?: string;
  /** Of a device. */
  device?: number;
}

/** By the destination of the mount: folders before what is in them. */
export type Copies = ReadonlyMap<string, readonly Entry[]>;

/** sendfile(2): more than that takes a second call. */
const MOST_AT_ONCE = 0x7fff_f000;
const PERMISSIONS = 0o7777;

export interface CopyUp {
  /** Descriptors of the folder, and of the mount that will hide it. */
  from: number;
  to: number;
  /** For short-lived ones. */
  files: readonly [read: number, written: number];
  label: string;
}

/** Nothing is looked up through a link: what has changed meanwhile fails, and leads nowhere. */
export function copyUp(
  plan: PlanBuilder,
  entries: readonly Entry[],
  { from, to, files, label: of }: CopyUp,
): void {
  const label = `${of}: tmpcopyup`;
  const [read, written] = files;
  const how = openHow(
    plan,
    ["O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"],
    0,
    flags(RESOLVE, "RESOLVE_BENEATH", "RESOLVE_NO_SYMLINKS", "RESOLVE_NO_MAGICLINKS"),
  );
  for (const { kind, path, mode, uid, gid, size, target = "", device = 0 } of entries) {
    const name = plan.string(path || ".");
    const show = named(`0${mode.toString(8)}`, mode);
    const make = () => {
      if (path === "") return;
      if (kind === "folder") plan.call("mkdirat", [to, name, 0o700], { label });
      else if (kind === "link") plan.call("symlinkat", [plan.string(target), to, name], { label });
      else plan.call("mknodat", [to, name, show, device], { label });
    };
    make();
    if (kind === "file" && size > 0) {
      if (size > MOST_AT_ONCE)
        throw new EngineError("invalid", `${label}: ${path} is too large to be copied into memory`);
      plan.call("openat2", [from, name, how, OPEN_HOW_SIZE], { label, fd: read });
      plan.call("openat", [to, name, flags(O, "O_WRONLY", "O_NOFOLLOW", "O_CLOEXEC"), 0], {
        label,
        fd: written,
      });
      plan.call("sendfile", [written, read, 0, size], { label });
    }
    const nofollow = flags(AT, "AT_SYMLINK_NOFOLLOW");
    if (uid !== 0 || gid !== 0) plan.call("fchownat", [to, name, uid, gid, nofollow], { label });
    // After the owner, who takes set-user-id away.
    if (kind !== "link" && path !== "") plan.call("fchmodat", [to, name, mode & PERMISSIONS], { label });
  }
}
