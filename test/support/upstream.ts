/**
 * A name server for tests: `upstream.ts ADDRESS PORT BEHAVIOUR`, on UDP and TCP. It says "ready", and how many queries it
 * saw when it is told to end. `rubbish` and `flood` are clients instead: they send what no server expects, and ever
 * different questions, until 1,000 of those are refused.
 */
import type { udp } from "bun";
import { labels, question } from "./dns.ts";

const [address = "", portText = "", behaviour = "answer"] = process.argv.slice(2);
const port = Number(portText);

/** The answer to everything: an address, or a service. */
function answer(query: Uint8Array, rcode = 0): Uint8Array {
  let end = 12;
  while (query[end] !== 0) end += 1 + query[end]!;
  end += 5;
  const type = query[end - 3]!;
  const data = type === 33 ? [0, 1, 0, 2, 0, 53, ...labels("srv.example")] : [10, 9, 9, 9];
  const records = rcode === 0 ? [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 9, 0, data.length, ...data] : [];
  const bytes = Uint8Array.from([...query.subarray(0, end), ...records]);
  bytes.set([0x81, 0x80 | rcode, 0, 1, 0, rcode === 0 ? 1 : 0, 0, 0, 0, 0], 2);
  return bytes;
}

let seen = 0;

async function reply(query: Uint8Array, send: (packet: Uint8Array) => void): Promise<void> {
  seen++;
  if (behaviour === "answer") send(answer(query));
  else if (behaviour === "refuse") send(answer(query, 5));
  else if (behaviour === "fail") send(answer(query, 2));
  else if (behaviour === "forge") forge(query, send);
  else if (behaviour === "loop") await loop(query, send);
}

/** What somebody would send who does not know all of the query; then the truth. */
function forge(query: Uint8Array, send: (packet: Uint8Array) => void): void {
  const lie = answer(query);
  lie.set([6, 6, 6, 6], lie.length - 4);
  const change = (at: number): Uint8Array => {
    const changed = lie.slice();
    changed[at]! ^= 1;
    return changed;
  };
  for (const packet of [change(0), change(1), change(13), lie.subarray(0, 11)]) send(packet);
  const asks = lie.slice();
  asks[2]! &= 0x7f;
  send(asks);
  send(answer(query));
}

async function loop(query: Uint8Array, send: (packet: Uint8Array) => void): Promise<void> {
  const onward = await Bun.udpSocket({
    connect: { hostname: "127.0.0.11", port: 53 },
    socket: { data: (_, packet) => send(packet), error() {} },
  });
  const changed = query.slice();
  changed[1]! ^= 0xff;
  onward.send(changed);
}

async function serve(): Promise<void> {
  await Bun.udpSocket({
    hostname: address,
    port,
    socket: {
      data: (socket: udp.Socket<"buffer">, packet, from, host) =>
        void reply(packet, (bytes) => socket.send(bytes, from, host)),
      error() {},
    },
  });
  Bun.listen({
    hostname: address,
    port,
    socket: {
      data: (socket, bytes) =>
        void reply(bytes.subarray(2), (packet) => {
          socket.write(Uint8Array.from([packet.length >> 8, packet.length & 255, ...packet]));
        }),
    },
  });
  process.on("SIGTERM", () => {
    console.log(`${seen} queries`);
    process.exit();
  });
  console.log("ready");
}

async function sendRubbish(): Promise<void> {
  const socket = await Bun.udpSocket({
    connect: { hostname: address, port },
    socket: { data() {}, error() {} },
  });
  const good = question({ name: "web", type: 1, edns: 4096 });
  for (let round = 0; round < 5000; round++) {
    const packet = round % 2 ? crypto.getRandomValues(new Uint8Array(round % 600)) : good.slice();
    if (round % 2 === 0) packet[round % packet.length]! ^= 1 << (round % 8);
    socket.send(packet);
    if (round % 100 === 0) await Bun.sleep(1);
  }
  socket.send(new Uint8Array(60_000));
  for (const bytes of [
    [0, 0],
    [0, 5, 1, 2],
    [255, 255, ...new Uint8Array(70_000)],
    [0, 12, ...new Uint8Array(12)],
  ]) {
    const stream = await Bun.connect({ hostname: address, port, socket: { data() {}, error() {} } });
    stream.write(Uint8Array.from(bytes));
    await Bun.sleep(20);
    stream.terminate();
  }
  process.exit();
}

async function flood(): Promise<void> {
  let refused = 0;
  const socket = await Bun.udpSocket({
    connect: { hostname: address, port },
    socket: {
      data: (_, packet) => {
        if ((packet[3]! & 15) === 5) refused++;
      },
      error() {},
    },
  });
  const end = performance.now() + 8000;
  for (let n = 0; refused < 1000 && performance.now() < end; n++) {
    socket.send(question({ name: `n${n}.example.com`, type: 1, id: n & 0xffff }));
    if (n % 50 === 0) await Bun.sleep(1);
  }
  console.log(refused);
  process.exit();
}

await ({ rubbish: sendRubbish, flood }[behaviour] ?? serve)();
