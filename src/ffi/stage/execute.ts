/**
 * Replaces this process by the stage: same pid, none of JavaScript's memory. The plan is fd 3.
 */
import { AT } from "../file.ts";
import { cstring, SystemError, sys } from "../libc.ts";
import { ptr } from "../native.ts";
import { stageFd } from "./binary.ts";

/** Does not return, or throws a `SystemError`. `argv` is what `ps` will show. */
export function executeStage(argv: readonly string[]): never {
  const strings = argv.map(cstring);
  const pointers = new BigUint64Array([...strings.map((string) => BigInt(ptr(string))), 0n]);
  const environment = new BigUint64Array(1);
  const result = sys("execveat", stageFd().fd, cstring(""), pointers, environment, AT.AT_EMPTY_PATH);
  throw new SystemError("execute the stage", -result);
}
