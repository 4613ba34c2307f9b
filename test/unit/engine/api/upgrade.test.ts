import { expect, test } from "bun:test";
import { Duplex } from "node:stream";
import type { Call } from "../../../../src/engine/api/call.ts";
import { upgradeAttach, upgradeExec } from "../../../../src/engine/api/upgrade.ts";
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

test("a log comes after the head, not with it: docker-py would lose it", async () => {
  async function* past() {
    yield Buffer.from("line\n");
  }
  const call = {
    name: "c",
    query: { text: () => "", flag: (name: string) => name === "logs" },
    before: () => false,
  } as unknown as Call;
  const attach = async () => ({ tty: true, past: past(), socket: undefined, detached: () => {} });
  const engine = { containers: { attach } } as unknown as Engine;
  const client = new Wire({ allowHalfOpen: true });
  const begun = performance.now();
  await upgradeAttach(call, engine, client);
  expect(performance.now() - begun).toBeGreaterThan(8);
  expect(client.written[0]!.toString()).toEndWith("\r\n\r\n");
  expect(client.written[1]!.toString()).toBe("line\n");
});
