/** The daemon's stream of progress messages: bars that stay in place on a terminal, plain lines elsewhere. */

import type { Body } from "../../../engine/api/client.ts";
import { isatty } from "../builtin.ts";
import { Failure } from "../failure.ts";
import { writeAll } from "../output.ts";
import { humanSize } from "../units.ts";

export interface Progress {
  stream?: string;
  status?: string;
  id?: string;
  progressDetail?: { current?: number; total?: number; hidecounts?: boolean; units?: string };
  errorDetail?: { message: string; code?: number };
  error?: string;
  aux?: unknown;
}

/** `[=====>     ]  1.2MB/3.4MB`, as wide as the terminal lets it be. */
export function bar(detail: NonNullable<Progress["progressDetail"]>, columns: number): string {
  const { current = 0, total = 0, units = "", hidecounts = false } = detail;
  if (current <= 0 && total <= 0) return "";
  const size = units === "" ? humanSize(current).padStart(8) : `${current} ${units}`;
  if (total <= 0) return size;
  const filled = Math.min(50, Math.trunc((current / total) * 50));
  const picture = columns > 110 ? `[${"=".repeat(filled)}>${" ".repeat(50 - filled)}] ` : "";
  if (hidecounts) return picture;
  if (current > total) return picture + size;
  return picture + (units === "" ? `${size}/${humanSize(total)}` : `${current}/${total} ${units}`);
}

const failureOf = ({ errorDetail, error }: Progress): Failure | undefined => {
  const message = errorDetail?.message ?? error;
  if (message === undefined) return undefined;
  return new Failure(errorDetail?.code === 401 ? "authentication is required" : message);
};

/** Shows nothing: being quiet is about progress, not about failing. */
export async function watchFailure(body: Body): Promise<void> {
  let failure: Failure | undefined;
  await body.eachLine((line) => {
    failure ??= failureOf(JSON.parse(line) as Progress);
  });
  if (failure) throw failure;
}

export async function showProgress(body: Body, fd: number): Promise<void> {
  const terminal = isatty(fd);
  const columns = terminal ? ((await import("../terminal.ts")).terminalSize()?.[1] ?? 200) : 0;
  const encoder = new TextEncoder();
  const print = (text: string): void => writeAll(fd, encoder.encode(text));
  /** Which line of the block at the cursor belongs to which layer. */
  const lines = new Map<string, number>();
  let failure: Failure | undefined;
  await body.eachLine((line) => {
    const message = JSON.parse(line) as Progress;
    failure ??= failureOf(message);
    if (failure) return;
    if (message.aux !== undefined && message.status === undefined) return;
    const shown = message.progressDetail ? bar(message.progressDetail, columns) : "";
    const id = message.id ?? "";
    if (!terminal) {
      if (shown === "") print(message.stream ?? `${id === "" ? "" : `${id}: `}${message.status ?? ""}\n`);
      return;
    }
    const text =
      message.stream ??
      `${id === "" ? "" : `${id}: `}${message.status ?? ""}${message.progressDetail ? ` ${shown}` : ""}`;
    if (id === "" || !message.progressDetail) {
      lines.clear();
      print(message.stream ?? `${text}\n`);
      return;
    }
    let at = lines.get(id);
    if (at === undefined) {
      at = lines.size;
      lines.set(id, at);
      print("\n");
    }
    const up = lines.size - at;
    print(`\x1b[${up}A\x1b[2K\r${text}\r\x1b[${up}B`);
  });
  if (failure) throw failure;
}
