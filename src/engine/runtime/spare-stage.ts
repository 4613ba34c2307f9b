/**
 * A stage that is there before its plan: to execute one takes half a millisecond, which a start need not wait for. It does
 * nothing but wait, and ends when we do.
 */
import { closeFd } from "../../ffi/libc.ts";
import { sendFds } from "../../ffi/socket.ts";
import { isHalted, type PlanFile, type Spare, type StageProcess, spawnStage } from "./stage.ts";

/** When the start that took the last one needs the processor no more. */
const REPLACE_MS = 10;
/** Killed by somebody, who may do so again. */
const KILLED_MS = 1000;
/** With an empty word after it, which makes room for one more letter. */
const NAME = "ts-spare";
/** struct spare of src/ffi/stage/plan.h. */
const MESSAGE_SIZE = 16;
const NAME_AT = 6;
/** In one message. */
const MAX_FDS = 24;

export class SpareStage implements Spare {
  #waiting: StageProcess | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** The next one is made a moment later. */
  take(name: string, plan: PlanFile, fds: readonly number[]): StageProcess | undefined {
    if (name.length > NAME.length + 1 || fds.length >= MAX_FDS) return undefined;
    const spare = this.#waiting;
    this.#waiting = undefined;
    this.makeSoon();
    if (spare === undefined) return undefined;
    // It was there for anybody to stop: its start would never come to an end.
    if (isHalted(spare.child.pid)) {
      spare.child.kill(9);
      release(spare);
      return undefined;
    }
    const message = new Uint8Array(MESSAGE_SIZE);
    const view = new DataView(message.buffer);
    view.setUint32(0, plan.size, true);
    view.setUint16(4, fds.length, true);
    new TextEncoder().encodeInto(name, message.subarray(NAME_AT));
    try {
      sendFds(spare.control, message, [...fds, plan.fd]);
      return spare;
    } catch {
      // It was killed just now.
      release(spare);
      return undefined;
    }
  }

  makeSoon(delay = REPLACE_MS): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => this.#make(), delay);
  }

  #make(): void {
    if (this.#waiting !== undefined) return;
    let spare: StageProcess;
    try {
      spare = spawnStage(undefined, { name: NAME, control: true });
    } catch {
      // A start that finds none makes its own, and says why it cannot.
      return;
    }
    this.#waiting = spare;
    void spare.child.exited.then(() => {
      if (this.#waiting !== spare) return;
      this.#waiting = undefined;
      release(spare);
      this.makeSoon(KILLED_MS);
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#waiting !== undefined) release(this.#waiting);
    this.#waiting = undefined;
  }
}

/** Without our end of its socket it ends. */
function release({ status, control }: StageProcess): void {
  closeFd(status);
  closeFd(control);
}
