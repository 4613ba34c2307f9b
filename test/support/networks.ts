/** What a daemon made in the host's network outlives it, as Docker's does: a test that ends takes it away. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

const run = (...command: string[]): void => {
  Bun.spawnSync(command, { env: { ...process.env, PATH }, stdio: ["ignore", "ignore", "ignore"] });
};

/** The links and the firewall's table of the daemon whose data root this is, or was. */
export function removeNetworks(dataRoot: string): void {
  const file = join(dataRoot, "engine-id");
  if (!existsSync(file)) return;
  const id = readFileSync(file, "utf8").trim();
  for (const name of readdirSync("/sys/class/net")) {
    const alias = join("/sys/class/net", name, "ifalias");
    if (existsSync(alias) && readFileSync(alias, "utf8").trim() === `tsd ${id}`)
      run("ip", "link", "delete", name);
  }
  run("nft", "delete", "table", "inet", `tsd-${id.slice(0, 8)}`);
}
