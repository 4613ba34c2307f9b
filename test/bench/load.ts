/**
 * What asks and is asked while proxies and resolvers are measured: `load.ts KIND ADDRESS PORT COUNT`. `http` is a server
 * that says "ready"; `requests` makes so many short HTTP requests, eight at a time, each on a connection of its own;
 * `names` asks a name server so often for `web`, sixteen at a time. Both say how many milliseconds that took.
 */
import { question } from "../support/dns.ts";

const [kind = "", hostname = "", portText = "", countText = "0"] = process.argv.slice(2);
const port = Number(portText);
const count = Number(countText);

function http(): void {
  const answer = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes");
  Bun.listen({ hostname, port, socket: { data: (socket) => void socket.end(answer), error() {} } });
  console.log("ready");
}

async function requests(): Promise<void> {
  let asked = 0;
  const request = Buffer.from("GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n");
  const one = () =>
    new Promise<void>((resolve, reject) => {
      let got = 0;
      Bun.connect({
        hostname,
        port,
        socket: {
          open: (socket) => void socket.write(request),
          data: (_, bytes) => {
            got += bytes.length;
          },
          close: () => (got === 60 ? resolve() : reject(new Error(`an answer of ${got} bytes`))),
          error: (_, error) => reject(error),
        },
      }).catch(reject);
    });
  const row = async () => {
    while (asked++ < count) await one();
  };
  await Promise.all(Array.from({ length: 8 }, row));
}

async function names(): Promise<void> {
  const query = question({ name: "web", type: 1 });
  const done = Promise.withResolvers<void>();
  let [asked, answered] = [0, 0];
  const socket = await Bun.udpSocket({
    socket: {
      data: (_, answer) => {
        if (answer[7] !== 1) done.reject(new Error("no address"));
        if (++answered === count) done.resolve();
        else if (asked < count) ask();
      },
      error() {},
    },
  });
  const ask = (): void => {
    query[0] = ++asked >> 8;
    query[1] = asked & 0xff;
    socket.send(query, port, hostname);
  };
  for (let n = 0; n < 16; n++) ask();
  await done.promise;
}

if (kind === "http") http();
else {
  const begin = performance.now();
  await (kind === "requests" ? requests() : names());
  console.log(performance.now() - begin);
  process.exit();
}
