/**
 * How two processes of a plan wait for each other.
 */
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

  /** Of a first process that is gone it hears, too: nobody else has an end to write to. */
  receive(plan: PlanBuilder): void {
    plan.call("close", [this.write], { label: "close the other's end" });
    const byte = plan.space(8, "a byte");
    plan.call("read", [this.read, byte, 1], { label: "wait for the first process" });
  }

  /** The child has executed, or has failed, when its end is closed. */
  waitForEnd(plan: PlanBuilder): void {
    const byte = plan.space(8, "a byte");
    plan.call("close", [this.write], { label: "close our end" });
    plan.call("read", [this.read, byte, 1], { label: "wait for the container" });
    plan.add({ op: "check", label: "the container failed" });
  }
}
