/** `tsrunc start ID`: lets a created container execute its command. */
import type { Spec } from "../../engine/runtime/spec.ts";
import { O } from "../../ffi/file.ts";
import { removeFile } from "../../ffi/host.ts";
import { check, closeFd, cstring, sys } from "../../ffi/libc.ts";
import type { Verb } from "../tsrunc.ts";
import { runHooks } from "./hooks.ts";
import type { Inside } from "./inner-hooks.ts";
import { killContainer, ociState } from "./launch.ts";
import { type ContainerState, StateStore } from "./state-store.ts";

/** Hooks in the container, then one byte into the fifo that its first process waits at. */
export async function openGate(store: StateStore, state: ContainerState, inside: Inside): Promise<void> {
  if (inside.spec.hooks?.startContainer?.length) {
    const { runInnerHooks } = await import("./inner-hooks.ts");
    try {
      await runInnerHooks("startContainer", inside, state.pid, ociState(state, "created"));
    } catch (error) {
      await killContainer(store, state);
      throw error;
    }
  }
  const path = store.fifo(state.id);
  const opened = sys("openat", -100, cstring(path), O.O_WRONLY | O.O_NONBLOCK | O.O_CLOEXEC, 0);
  if (opened < 0) throw new Error("cannot start a container that has stopped");
  check(sys("write", opened, new Uint8Array([48]), 1), "write exec fifo");
  closeFd(opened);
  removeFile(path);
}

/** A container one of whose hooks fails is ended. */
export async function runPoststart(store: StateStore, state: ContainerState, { hooks }: Spec): Promise<void> {
  try {
    runHooks("poststart", hooks?.poststart, ociState(state, "running"));
  } catch (error) {
    await killContainer(store, state);
    throw error;
  }
}

export const verb: Verb = {
  flags: {},
  usage: "ID",
  words: [1, 1],
  async run([id = ""], _flags, context) {
    const store = new StateStore(context.root);
    const state = store.load(id);
    const status = store.status(state);
    if (status === "stopped") throw new Error("cannot start a container that has stopped");
    if (status === "running") throw new Error("cannot start an already running container");
    if (status !== "created") throw new Error(`cannot start a container in the ${status} state`);
    const spec = store.spec(id);
    const { cgroup, rootfs } = state;
    const filter = spec.hooks?.startContainer?.length
      ? await (await import("./filter-cache.ts")).filterOf(spec.linux?.seccomp, context.root)
      : undefined;
    await openGate(store, state, { id, spec, filter, cgroup, rootfs });
    await runPoststart(store, state, spec);
    return 0;
  },
};
