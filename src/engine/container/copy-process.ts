/** Runs copy processes: one for each look into a container, so that nobody else waits for what the container serves. */
import { EngineError } from "../errors.ts";
import { ownProgram } from "../own-program.ts";
import type { CopyJob, CopyReport } from "./copy-job.ts";

export type Done = Extract<CopyReport, { kind: "done" }>;

export interface CopyOptions {
  /** Aborted when the client goes away. */
  signal?: AbortSignal | undefined;
  /** The archive to unpack. */
  body?: ReadableStream<Uint8Array>;
  /** Says that there is nothing at the path. */
  missing?: string;
}

const NEWLINE = 10;

/**
 * What the process says, and the archive it makes after that. The process lives as long as the archive is read, and
 * ends with `signal`; nobody waits for it to be gone, since a server of FUSE's that took a request can keep it, killed
 * or not, until the container ends.
 * @throws EngineError with what went wrong in it
 */
export async function copy(
  job: CopyJob,
  { signal, body, missing = "" }: CopyOptions,
): Promise<{ done: Done; content: AsyncGenerator<Uint8Array> }> {
  if (signal?.aborted) throw cancelled();
  const child = Bun.spawn(ownProgram("ts-copy"), {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    env: process.env,
  });
  child.unref();
  const reader = child.stdout.getReader();
  const stop = (): void => {
    signal?.removeEventListener("abort", stop);
    child.kill("SIGKILL");
    reader.cancel().catch(() => {});
  };
  signal?.addEventListener("abort", stop, { once: true });
  const complaints = new Response(child.stderr).text();
  const failure = async (): Promise<EngineError> => {
    if (signal?.aborted) return cancelled();
    const reason = (await complaints).trim().split("\n").at(-1) || child.signalCode || "it was cut short";
    return new EngineError("internal", `looking into the container: ${reason}`);
  };
  const content = async function* (first: Uint8Array): AsyncGenerator<Uint8Array> {
    try {
      if (first.length > 0) yield first;
      for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
      // Killed, it may not be gone for a long time.
      if (signal?.aborted || (await child.exited) !== 0) throw await failure();
    } finally {
      stop();
    }
  };
  try {
    void feed(child.stdin, job, body).catch(stop);
    let head = Buffer.alloc(0);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw await failure();
      head = Buffer.concat([head, value]);
      const end = head.indexOf(NEWLINE);
      if (end < 0) continue;
      const report: CopyReport = JSON.parse(head.subarray(0, end).toString());
      if (report.kind === "missing") throw new EngineError("notFound", missing);
      if (report.kind === "failed") throw new EngineError(report.error, report.message);
      return { done: report, content: content(head.subarray(end + 1)) };
    }
  } catch (error) {
    stop();
    throw error;
  }
}

/** One that has nothing to say but its report. */
export async function look(job: CopyJob, options: CopyOptions): Promise<Done> {
  const { done, content } = await copy(job, options);
  await content.next();
  return done;
}

const cancelled = (): EngineError => new EngineError("cancelled", "context canceled");

/** @throws what the body throws: an archive that its client cut short must not look like a whole one */
async function feed(
  sink: Bun.FileSink,
  job: CopyJob,
  body: ReadableStream<Uint8Array> | undefined,
): Promise<void> {
  const send = async (bytes: string | Uint8Array): Promise<boolean> => {
    try {
      sink.write(bytes);
      await sink.flush();
      return true;
    } catch {
      // It has ended, and its report says why.
      return false;
    }
  };
  if (!(await send(`${JSON.stringify(job)}\n`))) return;
  if (body !== undefined) for await (const piece of body) if (!(await send(piece))) return;
  await Promise.resolve(sink.end()).catch(() => {});
}
