/**
 * Hooks that run in the host's namespaces: before the container's root changes, after its start, after its end.
 * @source config.md "POSIX-platform Hooks"
 */
import { spawnSync } from "node:child_process";
import type { Hook, Hooks, State } from "../../engine/runtime/spec.ts";

export const BEFORE_START = ["prestart", "createRuntime"] as const;

export const wantsHooks = (hooks: Hooks | undefined): boolean =>
  BEFORE_START.some((kind) => (hooks?.[kind]?.length ?? 0) > 0);

/** Those that would run inside the container's namespaces. */
export function refuseInnerHooks(hooks: Hooks | undefined): void {
  for (const kind of ["createContainer", "startContainer"] as const) {
    if (hooks?.[kind]?.length) throw new Error(`hooks of the kind ${kind} are not supported yet`);
  }
}

/** The state on stdin; the first one that fails ends it with an error. */
export function runHooks(kind: keyof Hooks, hooks: readonly Hook[] | undefined, state: State): void {
  hooks?.forEach((hook, i) => {
    const env = Object.fromEntries(
      (hook.env ?? []).map((entry) => [
        entry.slice(0, entry.indexOf("=")),
        entry.slice(entry.indexOf("=") + 1),
      ]),
    );
    const [argv0 = hook.path, ...args] = hook.args ?? [];
    const result = spawnSync(hook.path, args, {
      argv0,
      env,
      input: JSON.stringify(state),
      ...(hook.timeout && { timeout: hook.timeout * 1000, killSignal: "SIGKILL" as const }),
    });
    if (result.error || result.status !== 0) {
      const reason =
        result.error?.message ??
        (result.signal ? `signal: ${result.signal}` : `exit status ${result.status}`);
      throw new Error(
        `error running ${kind} hook #${i}: ${reason}, stdout: ${result.stdout ?? ""}, stderr: ${result.stderr ?? ""}`,
      );
    }
  });
}
