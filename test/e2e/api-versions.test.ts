/** Every version of the API, from the first that is spoken to the last: what each shows, hides and takes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { loadBusybox } from "../support/busybox.ts";
import { Daemon } from "../support/daemon.ts";

const FIRST = 24;
const LAST = 55;
const VERSIONS = Array.from({ length: LAST - FIRST + 1 }, (_, i) => FIRST + i);

let daemon: Daemon;
let since: number;
beforeAll(async () => {
  daemon = await new Daemon().start();
  loadBusybox(daemon);
  since = Math.floor(Date.now() / 1000);
  await create(LAST, "noted", { HostConfig: { NetworkMode: "none", Annotations: { note: "x" } } });
  await create(LAST, "bridged", {});
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const ask = (minor: number, path: string, init?: RequestInit): Promise<Response> =>
  daemon.request(`/v1.${minor}${path}`, init);

const post = (minor: number, path: string, body: object): Promise<Response> =>
  ask(minor, path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

const create = (minor: number, name: string, body: object): Promise<Response> =>
  post(minor, `/containers/create?name=${name}`, { Image: "busybox", Cmd: ["true"], ...body });

type Json = Record<string, unknown>;
/** What is at `a.b.0.c`; "absent" when there is nothing. */
function at(value: unknown, path: string): unknown {
  let found: unknown = value;
  for (const key of path.split(".")) {
    if (typeof found !== "object" || found === null || !(key in found)) return "absent";
    found = (found as Json)[key];
  }
  return found;
}

/** The versions for which `holds`, as `24-43`. */
async function range(holds: (minor: number) => Promise<boolean>): Promise<string> {
  const found: number[] = [];
  for (const minor of VERSIONS) if (await holds(minor)) found.push(minor);
  if (found.length === 0) return "none";
  expect(found).toEqual(VERSIONS.filter((minor) => minor >= found[0]! && minor <= found.at(-1)!));
  return `${found[0]}-${found.at(-1)}`;
}

describe("a version", () => {
  test("that is spoken is answered, with the latest in the headers", async () => {
    for (const minor of VERSIONS) {
      const response = await ask(minor, "/version");
      expect(response.status).toBe(200);
      expect(response.headers.get("api-version")).toBe("1.55");
      expect(await response.json()).toMatchObject({ ApiVersion: "1.55", MinAPIVersion: "1.24" });
    }
  });

  test("before the first or after the last is refused in Docker's words", async () => {
    const refused = async (version: string): Promise<[number, unknown]> => {
      const response = await daemon.request(`/v${version}/info`);
      expect(response.headers.get("api-version")).toBe("1.55");
      return [response.status, await response.text()];
    };
    for (const version of ["1.23", "1.9", "0.1"]) {
      const message = `client version ${version} is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version`;
      // As it was then: plain text.
      expect(await refused(version)).toEqual([400, `${message}\n`]);
    }
    for (const version of ["1.56", "1.100", "2.0"]) {
      const message = `client version ${version} is too new. Maximum supported API version is 1.55`;
      expect(await refused(version)).toEqual([400, `${JSON.stringify({ message })}\n`]);
    }
  });

  test("that is not said is the latest", async () => {
    const [plain, latest] = [await daemon.request("/images/json"), await ask(LAST, "/images/json")];
    expect(await plain.json()).toEqual(await latest.json());
  });

  test("is found by docker's client: its own, or the one it is told", async () => {
    const format = ["version", "--format", "{{.Client.APIVersion}} {{.Server.APIVersion}}"];
    expect((await daemon.docker(...format)).stdout).toBe("1.50 1.55\n");
    for (const minor of [24, 30, 41, 44, 50]) {
      const child = Bun.spawnSync(
        ["docker", "-H", `unix://${daemon.socket}`, "ps", "-a", "--format", "{{.Names}}"],
        {
          env: { ...process.env, DOCKER_API_VERSION: `1.${minor}` },
        },
      );
      expect(child.stdout.toString()).toBe("bridged\nnoted\n");
    }
  });
});

describe("a field", () => {
  /** The answer, and for each field the versions that show it. */
  const SHOWN: Record<string, Record<string, string>> = {
    '/containers/json?all=1&filters={"name":["noted"]}': {
      "0.HostConfig.NetworkMode": "24-55",
      "0.HostConfig.Annotations": "46-55",
      "0.ImageManifestDescriptor": "48-55",
      "0.Health": "52-55",
    },
    "/containers/noted/json": {
      ImageManifestDescriptor: "48-55",
      GraphDriver: "24-51",
      Storage: "52-55",
      "NetworkSettings.Networks.none": "24-55",
      "NetworkSettings.IPAddress": "none",
    },
    "/containers/bridged/json": {
      "NetworkSettings.Networks.bridge": "24-55",
      "NetworkSettings.IPAddress": "24-51",
      "NetworkSettings.MacAddress": "24-51",
    },
    "/images/json": { "0.VirtualSize": "24-43", "0.Descriptor": "48-55", "0.Containers": "24-55" },
    "/images/json?manifests=1": { "0.Manifests": "47-55" },
    "/images/busybox/json": {
      VirtualSize: "24-43",
      Container: "24-44",
      ContainerConfig: "24-44",
      Descriptor: "48-55",
      "Config.Hostname": "24-49",
      "Config.Volumes": "24-51",
      Parent: "24-51",
      DockerVersion: "24-51",
      Author: "24-51",
      GraphDriver: "24-51",
    },
    "/images/busybox/json?manifests=1": { Manifests: "48-55" },
    "/info": {
      "RegistryConfig.AllowNondistributableArtifactsCIDRs": "24-46",
      "RuncCommit.Expected": "24-48",
      BridgeNfIptables: "24-49",
    },
    "/system/df": {
      LayersSize: "24-55",
      "Images.0.VirtualSize": "24-43",
      ImageUsage: "52-55",
      BuildCache: "24-55",
    },
    "/system/df?verbose=1": { LayersSize: "24-51", "ImageUsage.Items": "52-55" },
    "/system/df?type=volume": { Images: "24-41", Volumes: "24-55" },
  };
  for (const [path, fields] of Object.entries(SHOWN)) {
    test(`of ${path} is shown by the versions that have it`, async () => {
      const answers = new Map<number, unknown>();
      for (const minor of VERSIONS) answers.set(minor, await (await ask(minor, path)).json());
      const found: Record<string, string> = {};
      for (const field of Object.keys(fields)) {
        found[field] = await range(async (minor) => at(answers.get(minor), field) !== "absent");
      }
      expect(found).toEqual(fields);
    });
  }

  test("of an image in a list that nobody counted is -1 until 1.50", async () => {
    expect(
      await range(
        async (minor) => at(await (await ask(minor, "/images/json")).json(), "0.Containers") === -1,
      ),
    ).toBe("24-50");
  });

  test("of an image without names is <none> until 1.42", async () => {
    // Any archive will do for what is in it.
    await daemon.docker("import", join(daemon.folder, "busybox.tar"));
    const answer = await range(async (minor) => {
      const images = (await (
        await ask(minor, '/images/json?filters={"dangling":["true"]}')
      ).json()) as Json[];
      return images.some(({ RepoTags }) => JSON.stringify(RepoTags) === '["<none>:<none>"]');
    });
    expect(answer).toBe("24-42");
  });

  test("of an event is at its top, too, until 1.51", async () => {
    const until = Math.ceil(Date.now() / 1000) + 1;
    const query = `/events?since=${since}&until=${until - 1}&filters={"type":["container"]}`;
    await Bun.sleep(Math.max(0, (until - 1) * 1000 - Date.now()));
    const first = async (minor: number): Promise<Json> =>
      JSON.parse((await (await ask(minor, query)).text()).split("\n")[0]!) as Json;
    expect(await range(async (minor) => (await first(minor)).status === "create")).toBe("24-51");
    expect(await range(async (minor) => (await first(minor)).Action === "create")).toBe("24-55");
  }, 20_000);
});

describe("a content type", () => {
  test("of logs tells frames from 1.42 on", async () => {
    const type = async (minor: number): Promise<string> =>
      (await ask(minor, "/containers/noted/logs?stdout=1")).headers.get("content-type") ?? "";
    expect(await range(async (minor) => (await type(minor)).endsWith("raw-stream"))).toBe("24-41");
    expect(await range(async (minor) => (await type(minor)).endsWith("multiplexed-stream"))).toBe("42-55");
  });

  test("of events is that of JSON lines from 1.52 on", async () => {
    const type = async (minor: number): Promise<string> =>
      (await ask(minor, `/events?since=${since}&until=${since}`)).headers.get("content-type") ?? "";
    expect(await range(async (minor) => (await type(minor)) === "application/json")).toBe("24-51");
    expect(await range(async (minor) => (await type(minor)) === "application/jsonl")).toBe("52-55");
  });
});

describe("a request", () => {
  /** What a container shows that was made by this version. */
  async function made(minor: number, body: object, field: string): Promise<unknown> {
    const response = await create(minor, "tried", body);
    if (response.status !== 201) return ((await response.json()) as { message: string }).message;
    const shown = at(await (await ask(LAST, "/containers/tried/json")).json(), field);
    await daemon.docker("rm", "-f", "tried");
    return shown;
  }
  const hostConfig = (more: object) => ({ HostConfig: { NetworkMode: "none", ...more } });

  test("for a container without an IPC mode shares it until 1.39", async () => {
    const mode = (minor: number) => made(minor, hostConfig({}), "HostConfig.IpcMode");
    expect(await range(async (minor) => (await mode(minor)) === "shareable")).toBe("24-39");
    expect(await range(async (minor) => (await mode(minor)) === "private")).toBe("40-55");
  });

  test("has annotations from 1.43 on, and the terminal's size from 1.42 on", async () => {
    const noted = (minor: number) =>
      made(minor, hostConfig({ Annotations: { a: "b" } }), "HostConfig.Annotations");
    expect(await range(async (minor) => (await noted(minor)) !== "absent")).toBe("43-55");
    const size = (minor: number) =>
      made(minor, hostConfig({ ConsoleSize: [10, 20] }), "HostConfig.ConsoleSize.0");
    expect(await range(async (minor) => (await size(minor)) === 10)).toBe("42-55");
  });

  test("that says too much for its time is told so", async () => {
    const bind = { Type: "bind", Source: "/tmp", Target: "/x" };
    const cases: [mount: object, message: string, versions: string][] = [
      [
        { ...bind, BindOptions: { ReadOnlyForceRecursive: true }, ReadOnly: true },
        "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer",
        "24-43",
      ],
      [
        { Type: "volume", Target: "/x", VolumeOptions: { Subpath: "a" } },
        "VolumeOptions.Subpath needs API v1.45 or newer",
        "24-44",
      ],
      [
        { Type: "image", Source: "busybox", Target: "/x" },
        'Mount type "Image" needs API v1.48 or newer',
        "24-47",
      ],
      [{ ...bind, VolumeOptions: {} }, 'VolumeOptions must not be specified on mount type "bind"', "42-55"],
    ];
    for (const [mount, message, versions] of cases) {
      const answer = (minor: number) => made(minor, hostConfig({ Mounts: [mount] }), "Id");
      expect(await range(async (minor) => (await answer(minor)) === message)).toBe(versions);
    }
  });

  test("with a MAC address for the whole container means its main network's, until 1.51", async () => {
    const answer = async (minor: number, body: object): Promise<Json> => {
      const response = await create(minor, "tried", { MacAddress: "02:00:00:00:00:01", ...body });
      const json = (await response.json()) as Json;
      await daemon.docker("rm", "-f", "tried");
      return json;
    };
    const none = (minor: number) => answer(minor, hostConfig({}));
    const refused = "conflicting options: mac-address and the network mode";
    expect(await range(async (minor) => (await none(minor)).message === refused)).toBe("24-43");
    const warning =
      "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.";
    expect(
      await range(async (minor) => ((await none(minor)).Warnings as string[])?.includes(warning) ?? false),
    ).toBe("44-51");
  });

  test("with the capabilities of 1.40 is refused by 1.40 alone", async () => {
    const answer = (minor: number) => made(minor, hostConfig({ Capabilities: ["NET_RAW"] }), "Id");
    const message =
      "the HostConfig.Capabilities field is not supported by this daemon; use CapAdd and CapDrop to set capabilities";
    expect(await range(async (minor) => (await answer(minor)) === message)).toBe("40-40");
  });

  test("to update the limit of processes is heard from 1.40 on", async () => {
    await create(LAST, "limited", hostConfig({ PidsLimit: 100 }));
    const heard = await range(async (minor) => {
      expect((await post(minor, "/containers/limited/update", { PidsLimit: minor })).status).toBe(200);
      const shown = await (await ask(LAST, "/containers/limited/json")).json();
      return at(shown, "HostConfig.PidsLimit") === minor;
    });
    expect(heard).toBe("40-55");
  });

  test("to stop with another signal is heard from 1.42 on", async () => {
    const stop = async (minor: number): Promise<number> =>
      (await ask(minor, "/containers/noted/stop?signal=NOSUCH", { method: "POST" })).status;
    await daemon.docker("run", "-d", "--network", "none", "--name", "sleeps", "busybox", "sleep", "1000");
    const response = await ask(LAST, "/containers/sleeps/stop?signal=NOSUCH", { method: "POST" });
    expect(response.status).toBe(400);
    expect((await ask(41, "/containers/sleeps/stop?signal=NOSUCH&t=0", { method: "POST" })).status).toBe(204);
    expect(await stop(LAST)).toBe(304);
  });

  test("for a single platform is refused rather than misunderstood", async () => {
    const platform = encodeURIComponent('{"os":"linux","architecture":"arm64"}');
    await daemon.docker("tag", "busybox", "kept");
    const push = (minor: number) => ask(minor, `/images/kept/push?platform=${platform}`, { method: "POST" });
    expect((await push(50)).status).toBe(501);
    const remove = (minor: number) => ask(minor, `/images/kept?platforms=${platform}`, { method: "DELETE" });
    expect((await remove(50)).status).toBe(501);
    expect((await ask(54, "/images/json?identity=1")).status).toBe(400);
    expect((await ask(53, "/images/json?identity=1")).status).toBe(200);
  });
});
