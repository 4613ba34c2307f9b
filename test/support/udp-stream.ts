/**
 * A stream of numbered datagrams, so that one that is lost, repeated or late can be named. The program has a network
 * namespace, and nothing else, of a container or a host.
 */
import { until } from "./daemon.ts";

const PROGRAM = `
import signal, socket, sys, time
role, address, port, every = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
if role == "take":
    # A busy machine may not let this run for seconds: what comes meanwhile is not the network's loss.
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
    s.bind((address, port))
    print("ready", flush=True)
    seen, twice, late = set(), 0, 0
    while True:
        data = s.recv(100)
        if data.startswith(b"end "): break
        n = int(data)
        twice += n in seen
        late += bool(seen) and n < last
        seen.add(n); last = n
    sent = int(data[4:])
    lost = [n for n in range(sent) if n not in seen]
    gaps = [f"{n}-{next(m for m in range(n, sent + 1) if m == sent or m in seen) - 1}" for n in lost if n - 1 not in lost]
    print(f"{sent} sent, {len(lost)} lost ({' '.join(gaps)}), {twice} twice, {late} late", flush=True)
else:
    going, n = True, 0
    def stop(*_):
        global going
        going = False
    signal.signal(signal.SIGTERM, stop)
    s.connect((address, port))
    print("ready", flush=True)
    while going:
        s.send(str(n).encode()); n += 1
        time.sleep(every)
    try:
        for _ in range(3): s.send(f"end {n}".encode())
    except ConnectionRefusedError: pass # the first was enough
`;

type Place = readonly string[];

export class UdpStream implements AsyncDisposable {
  readonly #taker: Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly #sender: Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly #said: { text: string };

  private constructor(
    taker: Bun.Subprocess<"ignore", "pipe", "inherit">,
    said: { text: string },
    sender: Bun.Subprocess<"ignore", "pipe", "inherit">,
  ) {
    this.#taker = taker;
    this.#said = said;
    this.#sender = sender;
  }

  /**
   * From `from`, to the address and port that are `to`, taken at `at` (words in front of a program). One datagram each
   * two milliseconds.
   */
  static async start(
    from: Place,
    to: { address: string; port: number },
    at: Place,
    port: number,
  ): Promise<UdpStream> {
    const begin = (place: Place, ...words: string[]) =>
      Bun.spawn([...place, "python3", "-c", PROGRAM, ...words, "0.002"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
    const any = to.address.includes(":") ? "::" : "0.0.0.0";
    const taker = begin(at, "take", any, String(port));
    const said = { text: "" };
    void (async () => {
      for await (const chunk of taker.stdout) said.text += Buffer.from(chunk).toString();
    })();
    await until(() => said.text.startsWith("ready\n"), "the taker of a stream");
    const sender = begin(from, "send", to.address, String(to.port));
    await sender.stdout.getReader().read();
    return new UdpStream(taker, said, sender);
  }

  /** Ends the stream. `N sent, 0 lost (), 0 twice, 0 late` when all is well. */
  async end(): Promise<string> {
    this.#sender.kill("SIGTERM");
    await this.#sender.exited;
    await until(() => this.#taker.exitCode !== null, "the stream's end", 10_000);
    await until(() => this.#said.text.split("\n").length > 2, "what the taker says");
    return this.#said.text.split("\n")[1]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [this.#sender, this.#taker]) {
      child.kill("SIGKILL");
      await child.exited;
    }
  }
}
