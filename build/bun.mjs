/**
 * Runs the Bun that package.json pins, from plain Node: `node build/bun.mjs FILE ARGS…`. npm may have been told not to
 * run install scripts (newer ones ask first), and then `bun` is a placeholder: its own script is run here instead.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const bun = fileURLToPath(new URL("../node_modules/bun/bin/bun.exe", import.meta.url));
const install = fileURLToPath(new URL("../node_modules/bun/install.js", import.meta.url));

const works = () => spawnSync(bun, ["--version"], { stdio: "ignore" }).status === 0;
if (!works()) {
  spawnSync(process.execPath, [install], {
    stdio: "inherit",
    cwd: fileURLToPath(new URL("../node_modules/bun", import.meta.url)),
  });
  if (!works()) {
    console.error("node_modules has no working Bun: run `npm ci` first");
    process.exit(1);
  }
}
const { status, signal } = spawnSync(bun, process.argv.slice(2), { stdio: "inherit" });
if (signal) process.kill(process.pid, signal);
process.exit(status ?? 1);
