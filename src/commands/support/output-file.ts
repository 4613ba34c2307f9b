/** Writing a stream to a file that appears only when it is whole. */
import { closeSync, lstatSync, openSync, renameSync, statSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import type { Body } from "../../engine/api/client.ts";
import { Failure } from "./failure.ts";
import { writeAll } from "./output.ts";

export function checkOutputPath(path: string, failed = "failed to save image"): void {
  const folder = dirname(path);
  if (folder !== "" && folder !== "." && !statSync(folder, { throwIfNoEntry: false })) {
    throw new Failure(`${failed}: invalid output path: stat ${folder}: no such file or directory`);
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found && (found.isCharacterDevice() || found.isBlockDevice())) throw new Failure(`got a device`);
  if (found?.isDirectory()) throw new Failure(`${failed}: cannot write to a directory`);
}

export async function saveTo(body: Body, path: string): Promise<void> {
  const temporary = `${dirname(path)}/.tmp-${process.pid}-${Date.now()}`;
  const fd = openSync(temporary, "wx", 0o600);
  try {
    await body.each((bytes) => writeAll(fd, bytes));
    closeSync(fd);
    renameSync(temporary, path);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
}
