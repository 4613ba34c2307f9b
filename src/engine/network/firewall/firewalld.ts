/**
 * firewalld, where it runs: our bridges are in its `docker` zone, as dockerd's are, and what is forwarded to that zone is
 * let through, for our own rules to decide.
 * @source firewalld.dbus(5); moby's libnetwork/iptables/firewalld.go for the zone and the policy
 */
import { DbusConnection, DbusError, systemBusPath } from "../../dbus/connection.ts";
import type { Message } from "../../dbus/message.ts";
import { type Value, Variant } from "../../dbus/values.ts";

const NAME = "org.fedoraproject.FirewallD1";
const PATH = "/org/fedoraproject/FirewallD1";
const CONFIG_PATH = `${PATH}/config`;
const ZONE = "docker";
const POLICY = "docker-forwarding";

const text = (value: string): Variant => new Variant("s", value);
const texts = (...values: string[]): Variant => new Variant("as", values);

export interface FirewalldEvents {
  /** It has begun, or has loaded its rules anew: what was made at run time is gone, and iptables' rules perhaps too. */
  reloaded(): void;
  warn(message: string): void;
}

export class Firewalld {
  readonly #bus: DbusConnection;
  readonly #events: FirewalldEvents;
  /** It runs. */
  #running = false;

  private constructor(bus: DbusConnection, events: FirewalldEvents) {
    this.#bus = bus;
    this.#events = events;
  }

  /** Undefined where there is no bus to find it by. It may come, and go, later. */
  static async find(events: FirewalldEvents): Promise<Firewalld | undefined> {
    const path = systemBusPath();
    if (path === undefined) return undefined;
    let bus: DbusConnection;
    try {
      bus = await DbusConnection.open(path);
    } catch {
      return undefined;
    }
    const firewalld = new Firewalld(bus, events);
    bus.onSignal((signal) => firewalld.#signal(signal));
    bus.onClose(() => {
      firewalld.#running = false;
    });
    const sender = `type='signal',sender='${NAME}',path='${PATH}',interface='${NAME}',member='Reloaded'`;
    await bus.bus("AddMatch", "s", sender);
    const owner = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'";
    await bus.bus("AddMatch", "s", `${owner},arg0='${NAME}'`);
    // Asked of the bus, not of it: a question to it would start it.
    const [running] = await bus.bus("NameHasOwner", "s", NAME);
    if (running === true) await firewalld.#begin();
    return firewalld;
  }

  get running(): boolean {
    return this.#running;
  }

  async addBridge(link: string): Promise<void> {
    if (!this.#running) return;
    try {
      await this.#call(PATH, `${NAME}.zone`, "addInterface", "ss", ZONE, link);
    } catch (error) {
      // Somebody has put it into another zone: that is an administrator's to say, and to hear of.
      if (error instanceof DbusError && error.message.startsWith("ALREADY_ENABLED")) return;
      this.#events.warn(`add ${link} to firewalld's zone ${ZONE}: ${(error as Error).message}`);
    }
  }

  async removeBridge(link: string): Promise<void> {
    if (!this.#running) return;
    try {
      await this.#call(PATH, `${NAME}.zone`, "removeInterface", "ss", ZONE, link);
    } catch (error) {
      // Not in it: nobody's, or in another zone.
      const elsewhere = /^(UNKNOWN_INTERFACE|NOT_ENABLED|ZONE_CONFLICT)/;
      if (error instanceof DbusError && elsewhere.test(error.message)) return;
      this.#events.warn(`remove ${link} from firewalld's zone ${ZONE}: ${(error as Error).message}`);
    }
  }

  close(): void {
    this.#bus.close();
  }

  /** Zone and policy are kept by firewalld: made once, and never removed, since dockerd may use them too. */
  async #begin(): Promise<void> {
    this.#running = true;
    try {
      const zone = await this.#make("addZone2", ZONE, [
        ["version", text("1.0")],
        ["description", text("zone for docker bridge network interfaces")],
        ["target", text("ACCEPT")],
      ]);
      const policy = await this.#make("addPolicy", POLICY, [
        ["version", text("1.0")],
        ["description", text("allow forwarding to the docker zone")],
        ["ingress_zones", texts("ANY")],
        ["egress_zones", texts(ZONE)],
        ["target", text("ACCEPT")],
      ]);
      if (zone || policy) await this.#call(PATH, NAME, "reload", "");
    } catch (error) {
      this.#events.warn(`set up firewalld's zone ${ZONE}: ${(error as Error).message}`);
    }
  }

  /** False when it is there already. */
  async #make(member: string, name: string, settings: [string, Variant][]): Promise<boolean> {
    try {
      await this.#call(CONFIG_PATH, `${NAME}.config`, member, "sa{sv}", name, new Map(settings));
      return true;
    } catch (error) {
      if (error instanceof DbusError && error.message.startsWith("NAME_CONFLICT")) return false;
      throw error;
    }
  }

  #call(path: string, of: string, member: string, signature: string, ...body: Value[]): Promise<Value[]> {
    return this.#bus.call({ destination: NAME, path, interface: of, member, signature, body });
  }

  #signal({ member, body }: Message): void {
    if (member === "Reloaded") this.#events.reloaded();
    else if (member === "NameOwnerChanged" && body[0] === NAME) {
      this.#running = body[2] !== "";
      if (this.#running) void this.#begin().then(() => this.#events.reloaded());
    }
  }
}
