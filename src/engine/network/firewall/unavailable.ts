/** A kernel, or a place in it, where packets cannot be filtered: the daemon runs, and bridge networks say why they do not. */
import { EngineError } from "../../errors.ts";
import type { Firewall } from "../types.ts";

export class UnavailableFirewall implements Firewall {
  readonly backend: Firewall["backend"];
  readonly #reason: string;

  constructor(backend: Firewall["backend"], reason: string) {
    this.backend = backend;
    this.#reason = reason;
  }

  async putNetwork(): Promise<void> {
    throw new EngineError("internal", this.#reason);
  }

  async putEndpoint(): Promise<void> {
    throw new EngineError("internal", this.#reason);
  }

  async removeNetwork(): Promise<void> {}
  async removeEndpoint(): Promise<void> {}
  async sync(): Promise<void> {}

  warnings(): string[] {
    return [`bridge networks do not work: ${this.#reason}`];
  }

  async close(): Promise<void> {}
}
