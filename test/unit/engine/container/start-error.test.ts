import { expect, test } from "bun:test";
import {
  launchError,
  otherStartError,
  runtimeSentence,
} from "../../../../src/engine/container/start-error.ts";
import { EngineError } from "../../../../src/engine/errors.ts";

const PREFIX =
  "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ";

const of = (message: string) => {
  const { error, exitCode } = launchError(new EngineError("internal", message));
  return [exitCode, error.kind, error.message.replace(PREFIX, "")];
};

test("a missing command is 127, one that cannot be executed 126", () => {
  const missing = 'exec: "x": executable file not found in $PATH';
  expect(of(missing)).toEqual([127, "invalid", missing]);
  expect(of(`${missing}: no such file or directory`)).toEqual([127, "invalid", missing]);
  expect(of('exec: "/x": permission denied')).toEqual([126, "invalid", 'exec: "/x": permission denied']);
  expect(of('exec: "/etc": is a directory')).toEqual([
    126,
    "invalid",
    'exec: "/etc": is a directory: permission denied',
  ]);
});

test("a folder mounted on a file is asked about", () => {
  expect(of('error mounting "/a" to rootfs at "/b": invalid argument')).toEqual([
    127,
    "invalid",
    'error mounting "/a" to rootfs at "/b": not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type',
  ]);
});

test("a working directory that is a file is named as Docker does", () => {
  const { error, exitCode } = launchError(new Error("mkdir /etc/passwd: not a directory"), "/etc/passwd");
  expect([exitCode, error.kind, error.message]).toEqual([
    128,
    "internal",
    "Cannot mkdir: /etc/passwd is not a directory",
  ]);
});

test("what is said already is not said twice", () => {
  const whole = `${PREFIX}boom`.replace(
    "failed to create task for container: failed to create shim task: ",
    "",
  );
  expect(of(whole)).toEqual([128, "internal", "boom"]);
});

test("what fails before the shim is asked keeps its words and kind", () => {
  const { error, exitCode } = otherStartError(new EngineError("conflict", "no"));
  expect([error.kind, error.message, exitCode]).toEqual(["conflict", "no", 128]);
});

test("a relative working directory is found out before anything is begun", () => {
  expect(runtimeSentence(new Error("Cwd must be an absolute path"), "")).toBe("Cwd must be an absolute path");
});
