/**
 * Queries of one container for names that are nobody's here: its servers are asked one after the other, as Docker does.
 * Equal questions that are on their way are asked once, which also ends loops: a question that comes back to its own
 * asker waits there for itself.
 */

import { closeFd } from "../../../ffi/libc.ts";
import { openNamespace } from "../../../ffi/netns.ts";
import type { SandboxNames } from "../types.ts";
import { Exchange, type Server, type Transport, type Watcher } from "./exchange.ts";
import { type Query, RCODE, rcodeOf, readdress, replyCode } from "./message.ts";

/** Docker's: so many servers are tried, and so many questions are on their way at once. */
const MAX_SERVERS = 3;
const MAX_EXCHANGES = 1024;
/** And so long may a question wait until it is on its way. */
const PATIENCE_MS = 4000;
/** Who waits for an answer takes memory. */
const MAX_WAITING = 4096;
/** Nobody asks that much. */
const MAX_QUERY = 4096;
const DNS_PORT = 53;
/** Our own address inside: asking it from there would ask us. */
const OURSELVES = "127.0.0.11";

interface Asker {
  packet: Uint8Array;
  send(answer: Uint8Array): void;
}

interface Flight {
  query: Query;
  transport: Transport;
  askers: Asker[];
  servers: Server[];
  exchange?: Exchange;
  /** When it was asked, in milliseconds. */
  since: number;
}

export class Forwarder {
  readonly #watcher: Watcher;
  readonly #flights = new Map<string, Flight>();
  /** Those that have no exchange yet. */
  readonly #queue: string[] = [];
  #exchanges = 0;
  #waiting = 0;
  #netns = -1;
  #closed = false;

  constructor(watcher: Watcher) {
    this.#watcher = watcher;
  }

  /** `send` is called once, unless the container ends first. */
  forward(
    sandbox: SandboxNames,
    { packet, query, transport }: { packet: Uint8Array; query: Query; transport: Transport },
    send: (answer: Uint8Array) => void,
  ): void {
    if (packet.length > MAX_QUERY) return void send(replyCode(packet, RCODE.FORMERR, query));
    if (this.#waiting >= MAX_WAITING) return void send(replyCode(packet, RCODE.REFUSED, query));
    // The packet is its reader's again when this returns.
    const asker = { packet: new Uint8Array(packet), send };
    const key = keyOf(packet, query, transport);
    const flight = this.#flights.get(key);
    this.#waiting++;
    if (flight !== undefined) {
      flight.askers.push(asker);
      return;
    }
    let servers: Server[];
    try {
      servers = this.#servers(sandbox);
    } catch {
      // Its namespace is gone, and it is about to be.
      servers = [];
    }
    this.#flights.set(key, { query, transport, askers: [asker], servers, since: performance.now() });
    this.#queue.push(key);
    this.#fly();
  }

  close(): void {
    this.#closed = true;
    for (const { exchange } of this.#flights.values()) exchange?.close();
    this.#flights.clear();
    this.#queue.length = 0;
    closeFd(this.#netns);
    this.#netns = -1;
  }

  #servers({ upstreams, external, netns }: SandboxNames): Server[] {
    const asked = upstreams.filter(({ address, from }) =>
      from === "host" ? external : address !== OURSELVES,
    );
    return asked.slice(0, MAX_SERVERS).map(({ address, port = DNS_PORT, from }) => {
      if (from === "host") return { address, port, netns: undefined };
      if (this.#netns < 0) this.#netns = openNamespace(netns);
      return { address, port, netns: this.#netns };
    });
  }

  #fly(): void {
    while (this.#exchanges < MAX_EXCHANGES) {
      const key = this.#queue.shift();
      if (key === undefined) return;
      const flight = this.#flights.get(key)!;
      if (performance.now() - flight.since > PATIENCE_MS) this.#answer(key, flight, RCODE.REFUSED);
      else {
        this.#exchanges++;
        this.#ask(key, flight);
      }
    }
  }

  /** The next server, or an end. */
  #ask(key: string, flight: Flight): void {
    if (this.#closed) return;
    const server = flight.servers.shift();
    if (server === undefined) return void this.#land(key, flight, RCODE.SERVFAIL);
    const { query: parsed, transport } = flight;
    const query = flight.askers[0]!.packet.slice();
    crypto.getRandomValues(query.subarray(0, 2));
    flight.exchange = new Exchange(
      { server, transport, query, questionEnd: parsed.end },
      this.#watcher,
      (answer) => {
        const code = answer && rcodeOf(answer);
        // Refused may be for a moment, or this server's alone.
        if (answer === undefined || code === RCODE.SERVFAIL || code === RCODE.REFUSED) this.#ask(key, flight);
        else this.#land(key, flight, answer);
      },
    );
  }

  #land(key: string, flight: Flight, answer: Uint8Array | number): void {
    this.#exchanges--;
    this.#answer(key, flight, answer);
    this.#fly();
  }

  /** A code: there is no answer. */
  #answer(key: string, { askers, query }: Flight, answer: Uint8Array | number): void {
    this.#flights.delete(key);
    this.#waiting -= askers.length;
    for (const { packet, send } of askers) {
      // The question of each is as long: it is the same but for the case of its letters.
      if (typeof answer === "number") send(replyCode(packet, answer, query));
      else send(readdress(answer, packet, query.end));
    }
  }
}

/** All that makes two queries one: what is asked, the flags, and what follows, but neither number nor case. */
function keyOf(packet: Uint8Array, { name, end }: Query, transport: Transport): string {
  const rest = Buffer.from(packet.buffer, packet.byteOffset, packet.length);
  return `${transport} ${rest.toString("latin1", 2, 4)}${name} ${rest.toString("latin1", end - 4)}`;
}
