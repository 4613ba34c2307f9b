/**
 * Servers that say who asked, and a client that asks many at once; to be run in network namespaces.
 *
 *     peer.ts answer NAME PORT…       listens on tcp and udp, IPv4 and IPv6, and prints `ready`
 *     peer.ts ask                     questions as JSON on stdin, answers as JSON on stdout
 *
 * An answer is `NAME saw ADDRESS`, or why there is none: `refused`, `unreachable`, `silence`.
 */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";

export interface Question {
  protocol: "tcp" | "udp";
  address: string;
  port: number;
}

/** Long enough for a second try of the kernel's, were the first packet lost. */
const SILENCE_MS = 2500;

const plain = (address: string | undefined): string => (address ?? "").replace(/^::ffff:/, "");

async function answer(name: string, ports: number[]): Promise<void> {
  for (const port of ports) {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.end(`${name} saw ${plain(socket.remoteAddress)}`);
    });
    await new Promise<void>((resolve) => server.listen(port, "::", resolve));
    for (const [type, address] of [
      ["udp4", "0.0.0.0"],
      ["udp6", "::"],
    ] as const) {
      const socket = createSocket({ type, ipv6Only: true });
      socket.on("error", () => {});
      socket.on("message", (_, from) => socket.send(`${name} saw ${from.address}`, from.port, from.address));
      await new Promise<void>((resolve) => socket.bind(port, address, resolve));
    }
  }
  console.log("ready");
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: "refused",
  ENETUNREACH: "unreachable",
  EHOSTUNREACH: "unreachable",
};
const reason = (error: NodeJS.ErrnoException): string => REASONS[error.code ?? ""] ?? String(error.code);

function ask({ protocol, address, port }: Question): Promise<string> {
  return new Promise((resolve) => {
    const silent = setTimeout(() => resolve("silence"), SILENCE_MS);
    const done = (text: string): void => {
      clearTimeout(silent);
      resolve(text);
    };
    if (protocol === "tcp") {
      let text = "";
      const socket = connect(port, address);
      socket.on("data", (data) => {
        text += data;
      });
      socket.on("end", () => done(text));
      socket.on("error", (error) => done(reason(error)));
      return;
    }
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.on("error", (error) => done(reason(error)));
    socket.on("message", (data) => done(String(data)));
    socket.send("?", port, address);
  });
}

if (import.meta.main) {
  const [verb, name, ...ports] = process.argv.slice(2);
  if (verb === "answer") {
    await answer(name!, ports.map(Number));
  } else {
    const questions = JSON.parse(await Bun.stdin.text()) as Question[];
    console.log(JSON.stringify(await Promise.all(questions.map(ask))));
    process.exit(0);
  }
}

const SELF = import.meta.path;

/** A server in the namespace at `path`; ready when this resolves. */
export async function answering(path: string, name: string, ports: readonly number[]): Promise<Disposable> {
  const words = ["nsenter", `--net=${path}`, process.execPath, SELF, "answer", name, ...ports.map(String)];
  const child = Bun.spawn(words, { stdio: ["ignore", "pipe", "inherit"] });
  const { done } = await child.stdout.getReader().read();
  if (done) throw new Error(`the server of ${name} ended`);
  return { [Symbol.dispose]: () => child.kill() };
}

/** Asks all at once, from the namespace at `path`. */
export async function askAll(path: string, questions: readonly Question[]): Promise<string[]> {
  const child = Bun.spawn(["nsenter", `--net=${path}`, process.execPath, SELF, "ask"], {
    stdio: [new TextEncoder().encode(JSON.stringify(questions)), "pipe", "inherit"],
  });
  return JSON.parse(await new Response(child.stdout).text()) as string[];
}
