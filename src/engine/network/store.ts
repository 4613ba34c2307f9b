/**
 * All networks, endpoints and sandboxes: rows in the database, and the same in memory. A row is written before the
 * kernel is changed, and removed after what it claims is gone.
 */
import type { Database } from "bun:sqlite";
import { EngineError } from "../errors.ts";
import type { EndpointRecord, NetworkRecord, SandboxRecord } from "./types.ts";

export class NetworkStore {
  readonly #db: Database;
  readonly #networks = new Map<string, NetworkRecord>();
  readonly #byName = new Map<string, NetworkRecord>();
  readonly #byLink = new Map<string, Set<NetworkRecord>>();
  readonly #endpoints = new Map<string, EndpointRecord>();
  readonly #ofNetwork = new Map<string, Set<EndpointRecord>>();
  readonly #ofContainer = new Map<string, Set<EndpointRecord>>();
  readonly #sandboxes = new Map<string, SandboxRecord>();
  readonly #putNetwork;
  readonly #deleteNetwork;
  readonly #putEndpoint;
  readonly #deleteEndpoint;
  readonly #putSandbox;
  readonly #deleteSandbox;

  constructor(db: Database) {
    this.#db = db;
    this.#putNetwork = db.query<null, [string, string, string]>(
      "INSERT OR REPLACE INTO networks (id, name, record) VALUES (?, ?, ?)",
    );
    this.#deleteNetwork = db.query<null, [string]>("DELETE FROM networks WHERE id = ?");
    this.#putEndpoint = db.query<null, [string, string, string, string]>(
      "INSERT OR REPLACE INTO endpoints (id, network, container, record) VALUES (?, ?, ?, ?)",
    );
    this.#deleteEndpoint = db.query<null, [string]>("DELETE FROM endpoints WHERE id = ?");
    this.#putSandbox = db.query<null, [string, string]>(
      "INSERT OR REPLACE INTO sandboxes (id, record) VALUES (?, ?)",
    );
    this.#deleteSandbox = db.query<null, [string]>("DELETE FROM sandboxes WHERE id = ?");
    const rows = (table: string) =>
      db
        .query<{ record: string }, []>(`SELECT record FROM ${table}`)
        .all()
        .map(({ record }) => JSON.parse(record));
    for (const record of rows("networks") as NetworkRecord[]) this.#rememberNetwork(record);
    for (const record of rows("endpoints") as EndpointRecord[]) this.#rememberEndpoint(record);
    for (const record of rows("sandboxes") as SandboxRecord[]) this.#sandboxes.set(record.id, record);
  }

  networks(): Iterable<NetworkRecord> {
    return this.#networks.values();
  }

  endpoints(): Iterable<EndpointRecord> {
    return this.#endpoints.values();
  }

  sandboxes(): Iterable<SandboxRecord> {
    return this.#sandboxes.values();
  }

  network(id: string): NetworkRecord | undefined {
    return this.#networks.get(id);
  }

  byName(name: string): NetworkRecord | undefined {
    return this.#byName.get(name);
  }

  /** Those whose bridge or parent it is. */
  onLink(link: string): NetworkRecord[] {
    return [...(this.#byLink.get(link) ?? [])];
  }

  /**
   * By id, by name, or by the start of an id that only one has.
   * @throws EngineError notFound `network NAME not found`, or invalid when several ids start like this
   */
  find(term: string): NetworkRecord {
    const found = this.#networks.get(term) ?? this.#byName.get(term);
    if (found) return found;
    const matches = term === "" ? [] : [...this.#networks.values()].filter(({ id }) => id.startsWith(term));
    if (matches.length > 1) {
      throw new EngineError(
        "invalid",
        `network ${term} is ambiguous (${matches.length} matches found based on ID prefix)`,
      );
    }
    if (matches[0] === undefined) throw notFound(term);
    return matches[0];
  }

  endpointsOf(network: string): Iterable<EndpointRecord> {
    return this.#ofNetwork.get(network) ?? [];
  }

  /** How many containers are in it now. */
  countOf(network: string): number {
    return this.#ofNetwork.get(network)?.size ?? 0;
  }

  of(container: string): EndpointRecord[] {
    return [...(this.#ofContainer.get(container) ?? [])];
  }

  endpoint(id: string): EndpointRecord | undefined {
    return this.#endpoints.get(id);
  }

  sandbox(container: string): SandboxRecord | undefined {
    return this.#sandboxes.get(container);
  }

  /** A new network, or an old one with other fields. */
  putNetwork(record: NetworkRecord): void {
    this.#putNetwork.run(record.id, record.name, JSON.stringify(record));
    this.#rememberNetwork(record);
  }

  removeNetwork({ id, name }: NetworkRecord): void {
    this.#deleteNetwork.run(id);
    this.#forgetLink(id);
    this.#networks.delete(id);
    this.#byName.delete(name);
    this.#ofNetwork.delete(id);
  }

  /** All of them, or none; the sandbox too. */
  put(records: readonly EndpointRecord[], sandbox?: SandboxRecord): void {
    const write = (): void => {
      if (sandbox) this.#putSandbox.run(sandbox.id, JSON.stringify(sandbox));
      for (const record of records) this.#writeEndpoint(record);
    };
    if (records.length + (sandbox ? 1 : 0) > 1) this.#db.transaction(write)();
    else write();
    if (sandbox) this.#sandboxes.set(sandbox.id, sandbox);
    for (const record of records) this.#rememberEndpoint(record);
  }

  /** All of them, and what `also` writes: in one transaction. */
  putWith(records: readonly EndpointRecord[], also: () => void): void {
    this.#db.transaction(() => {
      for (const record of records) this.#writeEndpoint(record);
      also();
    })();
    for (const record of records) this.#rememberEndpoint(record);
  }

  remove(ids: readonly string[], sandbox?: string): void {
    this.#db.transaction(() => {
      for (const id of ids) this.#deleteEndpoint.run(id);
      if (sandbox !== undefined) this.#deleteSandbox.run(sandbox);
    })();
    for (const id of ids) this.#forgetEndpoint(id);
    if (sandbox !== undefined) this.#sandboxes.delete(sandbox);
  }

  #rememberNetwork(record: NetworkRecord): void {
    this.#forgetLink(record.id);
    this.#networks.set(record.id, record);
    this.#byName.set(record.name, record);
    addTo(this.#byLink, record.link, record);
  }

  #forgetLink(id: string): void {
    const known = this.#networks.get(id);
    if (known) removeFrom(this.#byLink, known.link, known);
  }

  #writeEndpoint(record: EndpointRecord): void {
    this.#putEndpoint.run(record.id, record.network, record.container, JSON.stringify(record));
  }

  #rememberEndpoint(record: EndpointRecord): void {
    this.#forgetEndpoint(record.id);
    this.#endpoints.set(record.id, record);
    addTo(this.#ofNetwork, record.network, record);
    addTo(this.#ofContainer, record.container, record);
  }

  #forgetEndpoint(id: string): void {
    const known = this.#endpoints.get(id);
    if (!known) return;
    this.#endpoints.delete(id);
    this.#ofNetwork.get(known.network)?.delete(known);
    removeFrom(this.#ofContainer, known.container, known);
  }
}

function addTo<T>(index: Map<string, Set<T>>, key: string, value: T): void {
  const known = index.get(key);
  if (known) known.add(value);
  else index.set(key, new Set([value]));
}

function removeFrom<T>(index: Map<string, Set<T>>, key: string, value: T): void {
  const known = index.get(key);
  known?.delete(value);
  if (known?.size === 0) index.delete(key);
}

export const notFound = (term: string): EngineError =>
  new EngineError("notFound", `network ${term} not found`);
