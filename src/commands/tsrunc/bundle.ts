/** A bundle's `config.json`, and what runc adds to it. */
import { unknownCapabilities } from "../../engine/runtime/capabilities.ts";
import { checkEnvironment, completeEnvironment } from "../../engine/runtime/environment.ts";
import type { Process, Spec } from "../../engine/runtime/spec.ts";
import { absolute, exists, readText, readTextIn } from "../../ffi/host.ts";
import type { SystemError } from "../../ffi/libc.ts";
import type { Log } from "./log.ts";
import { malformed } from "./malformed.ts";

export interface Bundle {
  folder: string;
  /** As it is in the file. */
  text: string;
  spec: Spec;
  rootfs: string;
}

/** Reads a bundle for `use`, which may stumble over what is in it: the error tells of that. */
export async function withBundle<T>(
  path: string | undefined,
  use: (bundle: Bundle) => Promise<T>,
): Promise<T> {
  const folder = absolute(path ?? ".");
  const text = readConfig(folder);
  try {
    return await use(parseBundle(folder, text));
  } catch (error) {
    throw await malformed(error, () => text, "spec");
  }
}

function readConfig(folder: string): string {
  try {
    return readText(`${folder}/config.json`);
  } catch (error) {
    if ((error as SystemError).code !== "ENOENT") throw error;
    throw new Error(
      exists(folder)
        ? "JSON specification file config.json not found"
        : `chdir ${folder}: no such file or directory`,
    );
  }
}

/** What is null is not there, as in Go; nearly no file has any. */
function parseConfig(text: string): Spec | null {
  const spec = JSON.parse(text) as Spec | null;
  if (!text.includes(":null") && !text.includes(": null")) return spec;
  return JSON.parse(text, (_key, value) => value ?? undefined) ?? null;
}

/** Sources of bind mounts may be relative to the bundle: config.md, "Mounts". */
function withSources(spec: Spec | null, folder: string): Spec | null {
  for (const mount of spec?.mounts ?? []) {
    const { type, source = "", options } = mount;
    const bind = type === "bind" || options?.includes("bind") || options?.includes("rbind");
    if (bind && source !== "" && !source.startsWith("/")) mount.source = absolute(source, folder);
  }
  return spec;
}

/** None at all would be one, too: as systemd knows no limit of 0, runc takes it for 1 since 1.4. */
export const requirePids = (limit: number): number => (limit === 0 ? 1 : limit);

function withPids(spec: Spec | null): Spec | null {
  const pids = spec?.linux?.resources?.pids;
  if (pids) pids.limit = requirePids(pids.limit);
  return spec;
}

function parseBundle(folder: string, text: string): Bundle {
  const spec = withPids(withSources(parseConfig(text), folder));
  checkProcess(spec?.process);
  // Of what nothing else stumbles over.
  if (typeof spec!.ociVersion === "number") throw new TypeError("ociVersion is a number");
  if (!spec!.root?.path) throw new Error("root must be specified");
  const rootfs = absolute(spec!.root.path, folder);
  if (!exists(rootfs)) throw new Error(`invalid rootfs: stat ${rootfs}: no such file or directory`);
  if (!exists(`${rootfs}/.`)) throw new Error(`invalid rootfs: ${rootfs} is no folder`);
  return { folder, text, spec: spec!, rootfs };
}

export function checkProcess(process: Process | undefined): asserts process is Process {
  if (!process) throw new Error("process property must not be empty");
  // Whose ids would be those that are left out: root's.
  if (typeof (process.user ?? {}) !== "object") throw new TypeError("user is no object");
  if (!process.cwd) throw new Error("Cwd property must not be empty");
  if (!process.cwd.startsWith("/")) throw new Error("Cwd must be an absolute path");
  if (!process.args?.length) throw new Error("args must not be empty");
}

/** In runc's words. */
export function warnOfCapabilities(log: Log, { capabilities = {} }: Process): void {
  const unknown = unknownCapabilities(capabilities);
  if (unknown.length > 0) log.warning(`ignoring unknown or unavailable capabilities: [${unknown.join(" ")}]`);
  for (const name of capabilities.ambient ?? []) {
    if (unknown.includes(name)) continue;
    if (!capabilities.inheritable?.includes(name) || !capabilities.permitted?.includes(name))
      log.warning(`can't raise ambient capability ${name}: operation not permitted`);
  }
}

/** runc gives a process without HOME its user's, of the image's /etc/passwd; "/" when it has none. */
export function withHome(process: Process, rootfs: string): Process {
  try {
    checkEnvironment(process.env);
  } catch (error) {
    const reason = (error as Error).message;
    throw new Error(`unable to start container process: error during container init: ${reason}`);
  }
  const env = completeEnvironment(process.env ?? [], () => homeOf(process.user?.uid ?? 0, rootfs));
  return { ...process, env };
}

function homeOf(uid: number, rootfs: string): string {
  try {
    for (const line of readTextIn(rootfs, "etc/passwd").split("\n")) {
      const fields = line.split(":");
      if (fields[2] === String(uid)) return fields[5] || "/";
    }
  } catch {
    // No file, no home.
  }
  return "/";
}
