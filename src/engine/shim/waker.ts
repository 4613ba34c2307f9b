/**
 * The plan of the waker. Bun can wait only for streams that it reads itself, ahead of us and without telling how
 * far; terminals it reads with a thread each; and other kinds of fds not at all. So the shim has an epoll
 * instance of its own, and one stage process (a few KB) that shares it: it waits there, sends a byte when something
 * is ready, and goes on when it gets one back. It ends when the shim does.
 */
import { ERRNO } from "../../ffi/errno.ts";
import { EVENT_DATA_AT } from "../../ffi/poll.ts";
import { named, type Plan, PlanBuilder, STAGE_FD } from "../runtime/plan.ts";

/** The epoll instance is the stage's first passed fd. */
export function wakerPlan(): Plan {
  const plan = new PlanBuilder();
  const events = plan.space(16, "struct epoll_event");
  const byte = plan.space(1, "one byte");
  const got = plan.slot("got");
  const wait = plan.label("wait");
  const gone = plan.label("the shim is gone");
  // Asked for no events, an fd still tells its hang-up: so the shim's end wakes the waker.
  const hangUp = plan.struct(16, "{ events: 0 }", [[EVENT_DATA_AT, "u64", -1]]);
  plan.call("epoll_ctl", [STAGE_FD.firstPassed, named("EPOLL_CTL_ADD", 1), STAGE_FD.control, hangUp]);
  plan.place(wait);
  plan.call("epoll_pwait", [STAGE_FD.firstPassed, events, 1, -1, 0, 0], {
    tolerate: [ERRNO.EINTR],
    label: "wait for a stream",
  });
  plan.call("write", [STAGE_FD.control, byte, 1], { slot: got, tolerate: "all", label: "wake the shim" });
  plan.jumpWhen(got, "negative", gone);
  plan.call("read", [STAGE_FD.control, byte, 1], { slot: got, tolerate: "all", label: "wait for the shim" });
  plan.jumpWhen(got, "zero", gone);
  plan.jumpWhen(got, "negative", gone);
  plan.jump(wait);
  plan.place(gone);
  plan.call("exit_group", [0]);
  return plan.build();
}
