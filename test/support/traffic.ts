/**
 * Traffic for tests of ports: `traffic.ts KIND ADDRESS PORT [COUNT]`.
 *
 * Servers, which say "ready": `serve` (TCP: takes all until its client ends its side, then says how much that was and
 * who it came from; lines are sent back), `echo` (UDP). Clients, which say what they got: `ask` (one connection,
 * half-closed; COUNT bytes), `turn` (COUNT connections, one after the other in 16 rows), `crowd` (COUNT at once, all open
 * before the first is used), `hold` (one connection that sends the lines of stdin), `datagram` (one; COUNT bytes).
 */
import type { Socket, udp } from "bun";

const [kind = "", hostname = "", portText = "", countText = "1"] = process.argv.slice(2);
const port = Number(portText);
const count = Number(countText);

function serve(): void {
  Bun.listen<{ bytes: number }>({
    hostname,
    port,
    allowHalfOpen: true,
    socket: {
      open: (socket) => {
        socket.data = { bytes: 0 };
      },
      data: (socket, bytes) => {
        socket.data.bytes += bytes.length;
        if (bytes.at(-1) === 0x0a) socket.write(bytes);
      },
      end: (socket) => {
        socket.end(`${socket.data.bytes} from ${socket.remoteAddress}`);
      },
      error() {},
    },
  });
  console.log("ready");
}

async function echo(): Promise<void> {
  await Bun.udpSocket({
    hostname,
    port,
    socket: {
      data: (socket: udp.Socket<"buffer">, packet, from, address) => {
        socket.send(packet, from, address);
      },
      error() {},
    },
  });
  console.log("ready");
}

/** One connection: sends so many bytes, ends its side, and resolves with all that comes. */
function ask(bytes: number, start?: Promise<unknown>): { open: Promise<void>; answer: Promise<string> } {
  const open = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  let got = "";
  let left = bytes;
  const block = new Uint8Array(65_536);
  const push = (socket: Socket): void => {
    while (left > 0) {
      const sent = socket.write(block.subarray(0, Math.min(left, block.length)));
      if (sent <= 0) return;
      left -= sent;
    }
    socket.shutdown();
  };
  Bun.connect({
    hostname,
    port,
    allowHalfOpen: true,
    socket: {
      open: async (socket) => {
        open.resolve();
        await start;
        push(socket);
      },
      drain: (socket) => {
        if (left < bytes) push(socket);
      },
      data: (_, chunk) => {
        got += chunk.toString();
      },
      end: (socket) => void socket.end(),
      close: () => answer.resolve(got),
      error: (_, error) => answer.reject(error),
    },
  }).catch((error) => {
    open.reject(error);
    answer.reject(error);
  });
  return { open: open.promise, answer: answer.promise };
}

async function turn(): Promise<void> {
  let done = 0;
  const row = async (): Promise<void> => {
    while (done < count) {
      done++;
      const answer = await ask(10).answer;
      if (!answer.startsWith("10 from")) throw new Error(`got ${JSON.stringify(answer)}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, row));
  console.log(`${done} answers`);
}

async function crowd(): Promise<void> {
  const all = Promise.withResolvers<void>();
  const asked = [];
  for (let n = 0; n < count; n++) {
    const each = ask(10, all.promise);
    each.answer.catch(() => {});
    asked.push(each);
    if (n % 100 === 99) await each.open;
  }
  await Promise.all(asked.map(({ open }) => open));
  console.log("open");
  for await (const _ of console) break;
  all.resolve();
  const answers = await Promise.all(asked.map(({ answer }) => answer));
  console.log(`${answers.filter((answer) => answer.startsWith("10 from")).length} answers`);
  process.exit();
}

async function hold(): Promise<void> {
  const socket = await Bun.connect({
    hostname,
    port,
    socket: {
      data: (_, bytes) => void process.stdout.write(bytes),
      close: () => {
        console.log("closed");
        process.exit();
      },
      error() {},
    },
  });
  for await (const line of console) socket.write(`${line}\n`);
}

async function datagram(): Promise<void> {
  const socket = await Bun.udpSocket({
    hostname: hostname.includes(":") ? "::" : "0.0.0.0",
    socket: {
      data: (_, packet, from, address) => {
        console.log(`${packet.length} from ${address} ${from}`);
        process.exit();
      },
      error() {},
    },
  });
  socket.send(new Uint8Array(count), port, hostname);
  setTimeout(() => process.exit(1), 3000);
}

const KINDS: Record<string, () => unknown> = {
  serve,
  echo,
  turn,
  crowd,
  hold,
  datagram,
  ask: async () => console.log(await ask(count).answer),
};
await KINDS[kind]!();
