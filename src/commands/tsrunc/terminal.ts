/** An attached terminal: ours is made raw, and bytes go to and fro. */
import { ReadStream } from "node:tty";
import { closeFd } from "../../ffi/libc.ts";
import { setWindowSize } from "../../ffi/poll.ts";
import { receiveFds } from "../../ffi/socket.ts";
import { makeRaw } from "../../ffi/terminal.ts";

export interface Relay {
  /** Resolves when what the container has printed is out. */
  close(): Promise<void>;
}

export async function relay(socket: number): Promise<Relay> {
  const received = receiveFds(socket, 64, 1);
  closeFd(socket);
  const master = received?.fds[0];
  if (master === undefined) throw new Error("the container sent no terminal");
  const output = new ReadStream(master);
  const ended = new Promise<void>((resolve) => {
    output.on("end", resolve);
    output.on("close", resolve);
    // EIO is how a terminal ends.
    output.on("error", () => resolve());
  });
  output.on("data", (bytes) => process.stdout.write(bytes));
  const resize = () => {
    const { columns, rows } = process.stdout;
    if (columns && rows) setWindowSize(master, columns, rows);
  };
  const { stdin } = process;
  const restore = stdin.isTTY ? makeRaw(0, { lines: true }) : undefined;
  const writer = Bun.file(master).writer();
  stdin.on("data", (bytes) => {
    writer.write(bytes);
    writer.flush();
  });
  resize();
  // A terminal's own signals come through it; its size does not.
  process.on("SIGWINCH", resize);
  return {
    async close() {
      await Promise.race([ended, Bun.sleep(200)]);
      restore?.();
      stdin.pause();
      output.destroy();
    },
  };
}
