/** A real firewalld in a host of a test's, with a bus and settings of its own. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./daemon.ts";
import type { Host } from "./hosts.ts";

const BUS = (socket: string): string => `<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/>
    <allow receive_type="signal"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
`;

export class FirewalldHost implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "firewalld-"));
  readonly #host: Host;
  #bus: Bun.Subprocess | undefined;
  #firewalld: Bun.Subprocess | undefined;

  private constructor(host: Host) {
    this.#host = host;
  }

  /** What a program has to have in its environment to find it. */
  get env(): Record<string, string> {
    return { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${this.folder}/bus` };
  }

  static async start(host: Host, backend: "nftables" | "iptables"): Promise<FirewalldHost> {
    const made = new FirewalldHost(host);
    const { folder } = made;
    writeFileSync(join(folder, "bus.conf"), BUS(join(folder, "bus")));
    mkdirSync(join(folder, "etc"));
    const conf = readFileSync("/etc/firewalld/firewalld.conf", "utf8");
    writeFileSync(
      join(folder, "etc/firewalld.conf"),
      conf.replace(/^FirewallBackend=.*/m, `FirewallBackend=${backend}`),
    );
    made.#bus = Bun.spawn(["dbus-daemon", `--config-file=${folder}/bus.conf`, "--nofork", "--nopidfile"], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await until(() => existsSync(join(folder, "bus")), "the bus");
    await made.run();
    return made;
  }

  async run(): Promise<void> {
    const words = ["firewalld", "--nofork", "--nopid", "--system-config", join(this.folder, "etc")];
    this.#firewalld = Bun.spawn(
      [...this.#host.under, ...words, "--log-target", "file", "--log-file", join(this.folder, "log")],
      { env: { ...process.env, ...this.env }, stdio: ["ignore", "ignore", "ignore"] },
    );
    await until(async () => (await this.ask("--state")) === "running", "firewalld", 30_000);
  }

  /** `firewall-cmd`. */
  async ask(...words: string[]): Promise<string> {
    const child = Bun.spawn([...this.#host.under, "firewall-cmd", ...words], {
      env: { ...process.env, ...this.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return (await new Response(child.stdout).text()).trim();
  }

  async stop(): Promise<void> {
    this.#firewalld?.kill();
    await this.#firewalld?.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#bus?.kill();
    await this.#bus?.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
