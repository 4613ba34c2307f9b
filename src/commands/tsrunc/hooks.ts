/**
 * Hooks that run in the host's namespaces: before the container's root changes, after its start, after its end.
 * @source config.md "POSIX-platform Hooks"
 */
import type { Hook, Hooks, State } from "../../engine/runtime/spec.ts";
import { ERRNO, errnoMessage } from "../../ffi/errno.ts";
import type { SystemError } from "../../ffi/libc.ts";

export const BEFORE_START = ["prestart", "createRuntime"] as const;

/** Whether the container has to wait before its root changes. */
export const wantsHooks = (hooks: Hooks | undefined): boolean =>
  [...BEFORE_START, "createContainer" as const].some((kind) => (hooks?.[kind]?.length ?? 0) > 0);

/** runc's sentence. */
export const hookFailure = (
  kind: keyof Hooks,
  index: number,
  { failure, stdout = "", stderr = "" }: { failure: string; stdout?: string; stderr?: string },
): Error =>
  new Error(`error running ${kind} hook #${index}: ${failure}, stdout: ${stdout}, stderr: ${stderr}`);

/** Why it is none that can be run. */
export function wrongHook({ path, timeout }: Hook): string | undefined {
  if (!path) return "exec: no command";
  if (!path.startsWith("/")) return `fork/exec ${path}: the path of a hook has to be absolute`;
  if (timeout !== undefined && timeout < 0) return ranPast(timeout);
  return undefined;
}

/** `seconds` as Go writes them. */
export const ranPast = (seconds: number): string =>
  `hook ran past specified timeout of ${seconds.toFixed(1)}s`;

/** The state on stdin; the first one that fails ends it with an error. */
export function runHooks(kind: keyof Hooks, hooks: readonly Hook[] | undefined, state: State): void {
  hooks?.forEach((hook, i) => {
    const wrong = wrongHook(hook);
    if (wrong !== undefined) throw hookFailure(kind, i, { failure: wrong });
    const env = Object.fromEntries(
      (hook.env ?? []).map((entry) => [
        entry.slice(0, entry.indexOf("=")),
        entry.slice(entry.indexOf("=") + 1),
      ]),
    );
    const [argv0 = hook.path, ...args] = hook.args ?? [];
    const { failure, stdout, stderr } = run([hook.path, ...args], {
      argv0,
      env,
      stdin: new TextEncoder().encode(JSON.stringify(state)),
      ...(hook.timeout && { timeout: hook.timeout * 1000, killSignal: "SIGKILL" as const }),
    });
    if (failure !== undefined) throw hookFailure(kind, i, { failure, stdout, stderr });
  });
}

interface HookOptions {
  argv0: string;
  env: Record<string, string>;
  stdin: Uint8Array;
  timeout?: number;
  killSignal?: "SIGKILL";
}

/** `failure` says why it was none: no such file, a signal, a status. */
function run(words: string[], options: HookOptions): { failure?: string; stdout: string; stderr: string } {
  let result: Bun.SyncSubprocess<"pipe", "pipe">;
  try {
    result = Bun.spawnSync(words, { ...options, stdout: "pipe", stderr: "pipe" });
  } catch (error) {
    const reason = errnoMessage(ERRNO[(error as SystemError).code as keyof typeof ERRNO] ?? ERRNO.EINVAL);
    return { failure: `fork/exec ${words[0]}: ${reason}`, stdout: "", stderr: "" };
  }
  const output = { stdout: result.stdout.toString(), stderr: result.stderr.toString() };
  if (result.success) return output;
  const { timeout = 0 } = options;
  const failure = result.exitedDueToTimeout
    ? ranPast(timeout / 1000)
    : result.signalCode
      ? `signal: ${result.signalCode}`
      : `exit status ${result.exitCode}`;
  return { failure, ...output };
}
