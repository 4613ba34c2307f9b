/** Docker's stream of JSON messages: one object and CRLF each. Pull, push, load and import answer with it. */
import type { ProgressMessage, ProgressSink } from "../image/types.ts";
import { reasonOf } from "../reason.ts";
import { streaming } from "./call.ts";
import { ByteQueue } from "./queue.ts";

/**
 * Runs `work` and answers with what it tells. An error before its first message becomes the answer's status;
 * a later one the last message, since the status is gone by then.
 */
export async function progressReply(
  work: (progress: ProgressSink) => Promise<void>,
  options: { always200?: boolean } = {},
): Promise<Response> {
  const queue = new ByteQueue();
  let begin: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let started = options.always200 ?? false;
  const send = (message: ProgressMessage) => {
    started = true;
    queue.push(`${JSON.stringify(message)}\r\n`);
    begin();
  };
  const done = work(send).then(
    () => queue.end(),
    (error: unknown) => {
      if (!started) throw error;
      const message = reasonOf(error);
      send({ error: message, errorDetail: { message } });
      queue.end();
    },
  );
  await Promise.race([begun, done]);
  return streaming(queue, { "content-type": "application/json" });
}
