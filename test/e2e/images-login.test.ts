/**
 * A registry by its name, over TLS that is verified, with tokens for those who have a password: `docker login`, and
 * pulls by both clients with what it left in config.json.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Daemon } from "../support/daemon.ts";
import { tar } from "../unit/engine/archive/support.ts";
import { certificates, FakeRegistry } from "./image/fake-registry.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");

let daemon: Daemon;
let registry: FakeRegistry;
let host: string;
/** `DOCKER_CONFIG` of both clients. */
let config: string;

beforeAll(async () => {
  daemon = new Daemon();
  const files = await certificates(daemon.folder);
  registry = new FakeRegistry({ tls: files, tokens: { users: { me: "secret" } } });
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  registry.image("v1", [tar({ name: "file" })], { architecture });
  host = `registry.test:${new URL(`https://${registry.host}`).port}`;
  config = join(daemon.folder, "config");
  // The name, and the authority, are there for this daemon alone: in a mount namespace of its own.
  const hosts = join(daemon.folder, "hosts");
  writeFileSync(hosts, "127.0.0.1 localhost registry.test\n");
  const bundle = "/etc/ssl/certs/ca-certificates.crt";
  const trusted = join(daemon.folder, "bundle.crt");
  writeFileSync(trusted, readFileSync(bundle, "utf8") + files.ca);
  const bind = `mount --bind ${hosts} /etc/hosts && mount --bind ${trusted} ${bundle}`;
  await daemon.start({ under: ["unshare", "-m", "sh", "-c", `${bind} && exec "$@"`, "sh"] });
}, 60_000);

afterAll(async () => {
  registry[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
}, 60_000);

beforeEach(() => {
  rmSync(config, { recursive: true, force: true });
  mkdirSync(config);
});

interface Answer {
  stdout: string;
  stderr: string;
  status: number;
}

async function client(program: readonly string[], ...words: string[]): Promise<Answer> {
  const child = Bun.spawn([...program, "-H", `unix://${daemon.socket}`, ...words], {
    env: { ...process.env, DOCKER_CONFIG: config },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { stdout, stderr, status: await child.exited };
}
const docker = (...words: string[]) => client(["docker"], ...words);
const tsd = (...words: string[]) => client([process.execPath, MAIN], ...words);

const login = (password: string) => docker("login", "-u", "me", "-p", password, host);

describe("docker login", () => {
  test("keeps a password that the registry takes", async () => {
    const { stdout, status } = await login("secret");
    expect({ last: stdout.trim().split("\n").at(-1), status }).toEqual({
      last: "Login Succeeded",
      status: 0,
    });
    const { auths } = JSON.parse(readFileSync(join(config, "config.json"), "utf8"));
    expect(atob(auths[host].auth)).toBe("me:secret");
  });

  test("says why it does not take one", async () => {
    const { stderr, status } = await login("wrong");
    expect(stderr).toContain(
      `Error response from daemon: Get "https://${host}/v2/": unauthorized: incorrect username or password`,
    );
    expect(status).toBe(1);
  });

  test("is answered with 401 for a wrong password, and 500 where nobody answers", async () => {
    const ask = async (body: object) => {
      const headers = { "content-type": "application/json" };
      const response = await daemon.request("/v1.55/auth", {
        method: "POST",
        headers,
        body: JSON.stringify(body),
      });
      return [response.status, await response.json()];
    };
    const good = { username: "me", password: "secret", serveraddress: host };
    expect(await ask(good)).toEqual([200, { Status: "Login Succeeded" }]);
    expect(await ask({ ...good, serveraddress: `https://${host}/v1/` })).toEqual([
      200,
      { Status: "Login Succeeded" },
    ]);
    expect((await ask({ ...good, password: "no" }))[0]).toBe(401);
    expect((await ask({ ...good, serveraddress: "registry.test:1" }))[0]).toBe(500);
  });
});

for (const [name, run] of [
  ["docker", docker],
  ["tsd", tsd],
] as const) {
  describe(`${name} pull`, () => {
    test("without a password is refused", async () => {
      const { stderr, status } = await run("pull", `${host}/team/app:v1`);
      expect(stderr).toContain("unauthorized: incorrect username or password");
      expect(status).toBe(1);
      expect((await docker("images", "-q", `${host}/team/app`)).stdout).toBe("");
    });

    test("with what docker login left gets the image", async () => {
      await login("secret");
      registry.log.length = 0;
      const { stdout, stderr, status } = await run("pull", `${host}/team/app:v1`);
      expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
      expect(stdout).toContain(
        `Status: Downloaded newer image for ${host}/team/app:v1\n${host}/team/app:v1\n`,
      );
      expect(
        registry.log.some((line) => line.includes("account=me") && line.includes("team%2Fapp%3Apull")),
      ).toBe(true);
      expect((await docker("rmi", `${host}/team/app:v1`)).status).toBe(0);
    });

    test("with another's password is refused, whatever is there for other registries", async () => {
      const auths = { [host]: { auth: btoa("me:old") }, "other.test": { auth: btoa("me:secret") } };
      writeFileSync(join(config, "config.json"), JSON.stringify({ auths }));
      const { stderr, status } = await run("pull", `${host}/team/app:v1`);
      expect(stderr).toContain("incorrect username or password");
      expect(status).toBe(1);
    });
  });
}

test("a registry whose certificate nobody vouches for is not spoken to", async () => {
  const folder = join(daemon.folder, "untrusted");
  mkdirSync(folder);
  using other = new FakeRegistry({ tls: await certificates(folder) });
  const untrusted = `registry.test:${new URL(`https://${other.host}`).port}`;
  const { stderr, status } = await docker("pull", `${untrusted}/app:v1`);
  expect(stderr).toContain(
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  );
  expect(status).toBe(1);
  expect(other.log).toEqual([]);
});
