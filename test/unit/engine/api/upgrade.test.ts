import { expect, test } from "bun:test";
import { Duplex } from "node:stream";
import type { Call } from "../../../../src/engine/api/call.ts";
import { upgradeExec } from "../../../../src/engine/api/upgrade.ts";
import type { Engine } from "../../../../src/engine/services.ts";

/** A connection: what was written to it, and when it was ended. */
class Wire extends Duplex {
  readonly written: Buffer[] = [];
  readonly ended = Promise.withResolvers<void>();

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk);
    done();
  }

  override _final(done: () => void): void {
    this.ended.resolve();
    done();
  }
}

test("an exec whose output ended before anybody listened ends the client's connection", async () => {
  const output = new Wire({ allowHalfOpen: true });
  output.push(null);
  output.resume();
  await new Promise((resolve) => output.once("end", resolve));
  const call = {
    name: "exec",
    json: async () => ({ Detach: false, Tty: false }),
    before: () => false,
  } as unknown as Call;
  const engine = {
    execs: {
      check: () => {},
      start: async () => ({ tty: false, socket: output, detachKeys: "", detached: () => {} }),
    },
  } as unknown as Engine;
  const client = new Wire({ allowHalfOpen: true });
  const joined = upgradeExec(call, engine, client);
  await client.ended.promise;
  expect(Buffer.concat(client.written).toString()).toStartWith("HTTP/1.1 101 UPGRADED\r\n");
  client.push(null);
  await joined;
  expect(output.destroyed).toBe(true);
});
