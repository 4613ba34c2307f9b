/** `tsrunc start ID`: lets a created container execute its command. */
import type { Hooks } from "../../engine/runtime/spec.ts";
import { O } from "../../ffi/file.ts";
import { removeFile } from "../../ffi/host.ts";
import { check, closeFd, cstring, sys } from "../../ffi/libc.ts";
import type { Verb } from "../tsrunc.ts";
import { runHooks } from "./hooks.ts";
import { ociState } from "./launch.ts";
import { type ContainerState, StateStore } from "./state-store.ts";

/** One byte into the fifo that its first process waits at. */
export function startCreated(store: StateStore, state: ContainerState, hooks: Hooks | undefined): void {
  const path = store.fifo(state.id);
  const opened = sys("openat", -100, cstring(path), O.O_WRONLY | O.O_NONBLOCK | O.O_CLOEXEC, 0);
  if (opened < 0) throw new Error("cannot start a container that has stopped");
  check(sys("write", opened, new Uint8Array([48]), 1), "write exec fifo");
  closeFd(opened);
  removeFile(path);
  runHooks("poststart", hooks?.poststart, ociState(state, "running"));
}

export const verb: Verb = {
  flags: {},
  usage: "ID",
  words: [1, 1],
  run([id = ""], _flags, context) {
    const store = new StateStore(context.root);
    const state = store.load(id);
    const status = store.status(state);
    if (status === "stopped") throw new Error("cannot start a container that has stopped");
    if (status !== "created") throw new Error("cannot start an already running container");
    startCreated(store, state, store.spec(id).hooks);
    return 0;
  },
};
