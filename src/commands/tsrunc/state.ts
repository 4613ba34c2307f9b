/** `tsrunc state ID`: the container's state as JSON. */
import type { Verb } from "../tsrunc.ts";
import { type ContainerState, StateStore, type Status } from "./state-store.ts";

/** runc's form, which `list --format json` has as well. */
export const described = (state: ContainerState, status: Status) => ({
  ociVersion: state.ociVersion,
  id: state.id,
  pid: status === "stopped" ? 0 : state.pid,
  status,
  bundle: state.bundle,
  rootfs: state.rootfs,
  created: state.created,
  ...(Object.keys(state.annotations).length > 0 && { annotations: state.annotations }),
  owner: "",
});

export const verb: Verb = {
  flags: {},
  usage: "ID",
  words: [1, 1],
  run([id = ""], _flags, context) {
    const store = new StateStore(context.root);
    const state = store.load(id);
    console.log(JSON.stringify(described(state, store.status(state)), null, 2));
    return 0;
  },
};
