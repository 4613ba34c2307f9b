/**
 * One process in a namespace that answers there and asks from there: both tell from which address the other side saw
 * them come. One for all questions, since a test has hundreds.
 */
import { until } from "./daemon.ts";
import type { Host } from "./hosts.ts";

const PROGRAM = `
import json, socket, sys, threading
lock = threading.Lock()
def say(answer):
    with lock: print(json.dumps(answer), flush=True)
def tcp(port):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    def serve(c, peer):
        try:
            c.sendall((peer[0].removeprefix("::ffff:") + "\\n").encode())
            while c.recv(1000): pass
        except OSError: pass
        c.close()
    def loop():
        while True:
            c, peer = s.accept()
            threading.Thread(target=serve, args=(c, peer), daemon=True).start()
    return loop
def udp(port, family, address):
    # One socket for each family: an answer has to come from the address that was asked.
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, port))
    def loop():
        while True:
            data, peer = s.recvfrom(1000)
            s.sendto((peer[0] + "\\n").encode(), peer)
    return loop
def ask(id, protocol, address, port, seconds):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                      socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM)
    s.settimeout(seconds)
    try:
        s.connect((address, port))
        if protocol == "udp": s.send(b"?")
        answer = s.recv(100).decode().strip()
    except ConnectionRefusedError: answer = "refused"
    except OSError as e: answer = "nothing"
    s.close()
    say({"id": id, "answer": answer})
for word in sys.argv[1:]:
    protocol, port = word.split("/")
    loops = [tcp(int(port))] if protocol == "tcp" else [
        udp(int(port), socket.AF_INET, "0.0.0.0"), udp(int(port), socket.AF_INET6, "::")]
    for loop in loops: threading.Thread(target=loop, daemon=True).start()
say({"id": 0, "answer": "ready"})
for line in sys.stdin: threading.Thread(target=ask, args=json.loads(line), daemon=True).start()
`;

export class Agent implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #answers = new Map<number, (answer: string) => void>();
  #asked = 0;

  private constructor(child: Bun.Subprocess<"pipe", "pipe", "inherit">, ready: () => void) {
    this.#child = child;
    this.#answers.set(0, ready);
    void this.#read();
  }

  /** Listens on all addresses of the namespace: `tcp/80`, `udp/53`. */
  static async start(host: Pick<Host, "under">, ...ports: string[]): Promise<Agent> {
    let ready = false;
    const child = Bun.spawn([...host.under, "python3", "-c", PROGRAM, ...ports], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const agent = new Agent(child, () => {
      ready = true;
    });
    await until(() => ready, `a server of ${ports.join(", ")}`, 20_000);
    return agent;
  }

  /** The address that the other side saw; `refused`, or `nothing` when nothing came within that time. */
  ask(protocol: "tcp" | "udp", address: string, port: number, seconds = 5): Promise<string> {
    const id = ++this.#asked;
    this.#child.stdin.write(`${JSON.stringify([id, protocol, address, port, seconds])}\n`);
    this.#child.stdin.flush();
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  async #read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const { id, answer } = JSON.parse(line) as { id: number; answer: string };
        this.#answers.get(id)?.(answer);
        this.#answers.delete(id);
      }
    }
    for (const resolve of this.#answers.values()) resolve("the agent ended");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill(9);
    await this.#child.exited;
  }
}
