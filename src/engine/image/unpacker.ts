/** Runs unpack processes, a few at a time. */
import { rm } from "node:fs/promises";
import { EngineError } from "../errors.ts";
import { ownProgram } from "../own-program.ts";
import type { UnpackJob, UnpackReport } from "./unpack-job.ts";

export type Done = Extract<UnpackReport, { kind: "done" }>;

const KINDS = {
  unavailable: "internal",
  unauthorized: "unauthorized",
  denied: "forbidden",
  notFound: "notFound",
  invalid: "internal",
  cancelled: "cancelled",
} as const;

export class Unpacker {
  readonly #parallel: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** `parallel`: as many layers at once as Docker downloads. */
  constructor(parallel = 3) {
    this.#parallel = parallel;
  }

  /** @throws EngineError with what was wrong with the layer; the ingest file is removed then. */
  async run(
    job: UnpackJob,
    signal?: AbortSignal,
    onReport: (report: UnpackReport) => void = () => {},
  ): Promise<Done> {
    await this.#turn();
    try {
      return await this.#process(job, signal, onReport);
    } catch (error) {
      if (job.source.kind === "remote") await rm(job.source.ingest, { force: true });
      throw error;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    while (this.#running >= this.#parallel) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#running++;
  }

  async #process(
    job: UnpackJob,
    signal: AbortSignal | undefined,
    onReport: (report: UnpackReport) => void,
  ): Promise<Done> {
    if (signal?.aborted) throw new EngineError("cancelled", "context canceled");
    const child = Bun.spawn(ownProgram("ts-unpack"), {
      stdin: Buffer.from(JSON.stringify(job)),
      stdout: "pipe",
      stderr: "pipe",
      env: process.env,
    });
    const cancel = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", cancel, { once: true });
    const complaints = new Response(child.stderr).text();
    try {
      let last: UnpackReport | undefined;
      for await (const line of lines(child.stdout)) {
        last = JSON.parse(line) as UnpackReport;
        onReport(last);
      }
      await child.exited;
      if (last?.kind === "done") return last;
      if (signal?.aborted) throw new EngineError("cancelled", "context canceled");
      if (last?.kind === "failed") throw new EngineError(KINDS[last.error], last.message);
      const reason =
        (await complaints).trim().split("\n").at(-1) || `status ${child.exitCode ?? child.signalCode}`;
      throw new EngineError("internal", `unpacking layer ${job.digest} failed: ${reason}`);
    } finally {
      signal?.removeEventListener("abort", cancel);
      child.kill("SIGKILL");
      await child.exited;
    }
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
}
