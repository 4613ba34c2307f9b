/**
 * What the kernel's overlayfs takes. It was moved to the new mount API in 6.5: before that, fsconfig accepts any key,
 * joins all of them to one string of options, and complains only when the mount is made.
 * @source kernel fs/overlayfs/params.c, fs/fs_context.c (legacy_parse_param)
 */
import { readText } from "./host.ts";

/** Whether layers can be given one by one, by `lowerdir+`, instead of in one string. */
export function overlayTakesLayers(kernel = readText("/proc/sys/kernel/osrelease")): boolean {
  const [major = 0, minor = 0] = kernel.split(".", 2).map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 5);
}

/** An option of a mount as fsconfig takes it: a flag has no value. */
export function splitOption(option: string): { key: string; value?: string } {
  const equals = option.indexOf("=");
  return equals < 0 ? { key: option } : { key: option.slice(0, equals), value: option.slice(equals + 1) };
}
