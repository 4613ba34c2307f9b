/** Runs docker-py's tests against one private daemon: `docker-py.ts CHECKOUT tsd|dockerd PYTHON`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadBusybox } from "../../support/busybox.ts";
import { Dockerd } from "../../support/dockerd.ts";
import { makeHosts } from "../../support/hosts.ts";

const [checkout, peer, python] = process.argv.slice(2) as [string, string, string];
process.env.TSD ??= join(import.meta.dir, "../../../dist/tsd");

const wanted = /^TEST_IMG = ['"](.+)['"]/m.exec(
  readFileSync(join(checkout, "tests/integration/base.py"), "utf8"),
)?.[1];
if (!wanted) throw new Error(`${checkout} does not name the image of its tests`);

async function run(socket: string, folder: string, under: readonly string[]): Promise<number> {
  loadBusybox({ folder, socket }, [wanted!, "busybox:latest", "alpine:latest"]);
  const tests = [
    ...["api_container_test", "api_exec_test", "api_network_test"],
    ...["models_containers_test", "models_networks_test"],
  ];
  const report = process.env.REPORT ? [`--junitxml=${process.env.REPORT}`] : [];
  const pytest = Bun.spawn(
    [
      ...under,
      ...[
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--timeout=60",
        "--tb=line",
        "-rfEs",
        ...report,
      ],
      ...tests.map((name) => `tests/integration/${name}.py`),
    ],
    {
      cwd: checkout,
      env: {
        PATH: process.env.PATH ?? "",
        HOME: folder,
        DOCKER_HOST: `unix://${socket}`,
        PYTHONPATH: checkout,
        PYTHONDONTWRITEBYTECODE: "1",
      },
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  return await pytest.exited;
}

// Daemon and tests have a host to themselves, so that bridges and published ports are not the machine's.
await using hosts = await makeHosts({ lan: ["engine"] });
const { engine } = hosts.host;
if (peer === "dockerd") {
  await using daemon = await new Dockerd(engine.under).start();
  process.exitCode = await run(daemon.socket, daemon.folder, engine.under);
} else {
  await using daemon = await engine.daemon();
  process.exitCode = await run(daemon.socket, daemon.folder, engine.under);
}
