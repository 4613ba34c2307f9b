/**
 * How two processes of a plan wait for each other.
 */
import { ERRNO } from "../../ffi/errno.ts";
import { pair } from "./io.ts";
import type { PlanBuilder } from "./plan.ts";

/** A pipe between the first process and its child. */
export class Pipe {
  readonly read: number;
  readonly write: number;

  constructor(plan: PlanBuilder) {
    this.read = plan.fd();
    this.write = plan.fd();
    pair(plan, "pipe2", this.read, this.write);
  }

  send(plan: PlanBuilder): void {
    plan.call("write", [this.write, plan.string("."), 1], { label: "let the container go on" });
  }

  receive(plan: PlanBuilder): void {
    plan.call("close", [this.write], { label: "close the other's end" });
    this.hear(plan);
  }

  /** Where the other end is closed. Without a first process, which alone can write, nothing goes on. */
  hear(plan: PlanBuilder): void {
    const byte = plan.space(8, "a byte");
    const got = plan.slot("bytes heard");
    const label = "wait for the first process";
    plan.call("read", [this.read, byte, 1], { label, slot: got });
    plan.unless(got, "not zero", () => plan.add({ op: "fail", errno: ERRNO.ECONNRESET, label }));
  }

  /** The child has executed, or has failed, when its end is closed. */
  waitForEnd(plan: PlanBuilder): void {
    const byte = plan.space(8, "a byte");
    plan.call("close", [this.write], { label: "close our end" });
    plan.call("read", [this.read, byte, 1], { label: "wait for the container" });
    plan.add({ op: "check", label: "the container failed" });
  }
}
