/**
 * Which of its functions a start of `tsd run` uses. Bun lays their bytecode, and the strings in it, side by side in the
 * finished file, so that less of it is read: 30 page faults and 0.25 ms of the client's 8, and the others' starts read less
 * as well. For that a first build of the program, which still obeys Bun's own variables, runs a container at a stand-in for
 * the daemon. @source Bun's documentation, "Profile-guided bytecode layout"
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ID = "0".repeat(64);

/** What the daemon answers to each request of a run that ends well, by what the request begins with. */
const ANSWERS: readonly (readonly [request: string, ...answers: string[]])[] = [
  [
    "/containers/create",
    "201 Created\r\nContent-Type: application/json\r\nTsd-Order: kept\r\nContent-Length: 88",
    `{"Id":"${ID}","Warnings":[]}\n`,
  ],
  [
    `/containers/${ID}/attach`,
    "101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp",
    "\u0001\0\0\0\0\0\0\u0003hi\n",
  ],
  [
    `/containers/${ID}/wait`,
    "200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked",
    '11\r\n{"StatusCode":0}\n\r\n0\r\n\r\n',
  ],
  [`/containers/${ID}/start`, "204 No Content", ""],
];

/** A daemon that makes no containers. */
function standIn(): Disposable & { readonly host: string } {
  // Not where the build is: a socket's path ends at 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), "tsd-order-"));
  const unix = join(folder, "socket");
  const listener = Bun.listen({
    unix,
    socket: {
      data(socket, bytes) {
        const path = /^POST \/v[\d.]+(\S+)/.exec(bytes.toString("latin1"))?.[1] ?? "";
        const found = ANSWERS.find(([request]) => path.startsWith(request));
        if (!found) throw new Error(`a run asked for ${path}: build/order.ts has no answer`);
        const [, head, body] = found;
        socket.write(`HTTP/1.1 ${head}\r\n\r\n${body}`);
        if (head?.startsWith("101")) socket.end();
      },
    },
  });
  return {
    host: `unix://${unix}`,
    [Symbol.dispose]() {
      listener.stop(true);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Runs `program`, a build on an executable that was not prepared (base.ts), in `folder`.
 * @returns the path of the file for Bun's `bytecodeOrder`
 */
export async function recordOrder(program: string, folder: string): Promise<string> {
  const order = join(folder, "order");
  using daemon = standIn();
  const run = Bun.spawn([program, "-H", daemon.host, "run", "--rm", "--network", "none", "busybox", "true"], {
    cwd: folder,
    env: { HOME: folder, BUN_BYTECODE_ORDER_OUT: order },
    stdout: "ignore",
    stderr: "pipe",
  });
  if ((await run.exited) !== 0)
    throw new Error(`a recorded run ended with ${run.exitCode}: ${await run.stderr.text()}`);
  // Which answer comes first is left to chance, but two builds are to be equal: what was used counts, not when. What the
  // recorded build had besides (K) changes nothing here.
  const [version, ...lines] = (await Bun.file(order).text()).trimEnd().split("\n");
  const used = lines.filter((line) => !line.startsWith("K")).toSorted();
  await Bun.write(order, `${[version, ...used].join("\n")}\n`);
  return order;
}
