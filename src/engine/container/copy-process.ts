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

/** The container that was to be looked into has ended, and nothing has been done: of a body, nothing was taken. */
export class RootEnded extends EngineError {
  constructor(id: string) {
    super("conflict", `container ${id} is not running`);
  }
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
    void end(child.stdin);
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
    const asked = send(child.stdin, `${JSON.stringify(job)}\n`);
    if (body === undefined) void asked.then(() => end(child.stdin));
    let head: Uint8Array = new Uint8Array();
    for (;;) {
      const end = head.indexOf(NEWLINE);
      if (end < 0) {
        const { done, value } = await reader.read();
        if (done) throw await failure();
        head = Buffer.concat([head, value]);
        continue;
      }
      const report: CopyReport = JSON.parse(Buffer.from(head.subarray(0, end)).toString());
      head = head.subarray(end + 1);
      if (report.kind === "missing") throw new EngineError("notFound", missing);
      if (report.kind === "failed") throw new EngineError(report.error, report.message);
      if (report.kind === "ended") throw new RootEnded("root" in job && "id" in job.root ? job.root.id : "");
      if (report.kind === "done") return { done: report, content: content(head) };
      if (body !== undefined) void feed(child.stdin, body).catch(stop);
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

/** False: it has ended, and its report says why. */
async function send(sink: Bun.FileSink, bytes: string | Uint8Array): Promise<boolean> {
  try {
    sink.write(bytes);
    await sink.flush();
    return true;
  } catch {
    return false;
  }
}

/** @throws what the body throws: an archive that its client cut short must not look like a whole one */
async function feed(sink: Bun.FileSink, body: ReadableStream<Uint8Array>): Promise<void> {
  for await (const piece of body) if (!(await send(sink, piece))) return;
  await end(sink);
}

async function end(sink: Bun.FileSink): Promise<void> {
  try {
    await sink.end();
  } catch {
    // It has been, or its reader has ended.
  }
}
