import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiClient, NEWEST } from "../../../../../src/engine/api/client.ts";

/** A daemon that speaks up to `newest`; `seen` are the requests that came. */
class Daemon implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "tsd-version-"));
  readonly #server;
  readonly seen: string[] = [];
  readonly client: ApiClient;

  constructor(newest: string) {
    const unix = join(this.#folder, "s");
    this.#server = Bun.serve({
      unix,
      fetch: async (request) => {
        const { pathname } = new URL(request.url);
        this.seen.push(`${request.method} ${pathname} ${await request.text()}`.trim());
        const asked = /^\/v(1\.\d+)\//.exec(pathname)?.[1];
        if (asked === undefined) return new Response("OK", { headers: { "api-version": newest } });
        if (Number(asked.slice(2)) <= Number(newest.slice(2))) return Response.json({ asked });
        const message = `client version ${asked} is too new. Maximum supported API version is ${newest}`;
        return Response.json({ message }, { status: 400 });
      },
    });
    this.client = new ApiClient({ display: `unix://${unix}`, unix }, { userAgent: "test" });
  }

  [Symbol.dispose](): void {
    this.client.close();
    this.#server.stop(true);
    rmSync(this.#folder, { recursive: true });
  }
}

test("a daemon of our time is asked at once", async () => {
  using daemon = new Daemon("1.55");
  expect(await daemon.client.json<unknown>("GET", "/info")).toEqual({ asked: NEWEST });
  expect(daemon.seen).toEqual([`GET /v${NEWEST}/info`]);
});

test("an older one is asked again as it speaks, with the same body, and then at once", async () => {
  using daemon = new Daemon("1.41");
  const body = { a: 1 };
  expect(await daemon.client.json<unknown>("POST", "/make", { body })).toEqual({ asked: "1.41" });
  expect(await daemon.client.json<unknown>("GET", "/info")).toEqual({ asked: "1.41" });
  const [first, ping, ...rest] = daemon.seen;
  expect([first, ping]).toEqual([`POST /v${NEWEST}/make {"a":1}`, "HEAD /_ping"]);
  expect(rest).toEqual(['POST /v1.41/make {"a":1}', "GET /v1.41/info"]);
});

test("what can be sent only once is not sent before the version is known", async () => {
  using daemon = new Daemon("1.41");
  const body = (async function* () {
    yield new TextEncoder().encode("layer");
  })();
  expect(await daemon.client.json<unknown>("POST", "/load", { body })).toEqual({ asked: "1.41" });
  expect(daemon.seen).toEqual(["HEAD /_ping", "POST /v1.41/load layer"]);
});
