import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Repository } from "../../../../src/registry/client/repository.ts";
import { follow, send } from "../../../../src/registry/client/transport.ts";

const open: Disposable[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one[Symbol.dispose]();
});

/** A server on loopback; its origin. */
function serve(answer: (request: Request) => Response): string {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  open.push({ [Symbol.dispose]: () => void server.stop(true) });
  return server.url.origin;
}

/** The URL of a file that nobody else may read. */
function secret(): string {
  const folder = mkdtempSync(join(tmpdir(), "tsd-transport-"));
  open.push({ [Symbol.dispose]: () => rmSync(folder, { recursive: true }) });
  writeFileSync(join(folder, "secret"), "root only");
  return `file://${join(folder, "secret")}`;
}

const repository = (url: string, credentials?: object) =>
  new Repository({ url, skipVerify: true, path: "a", actions: "pull", ...(credentials && { credentials }) });

const DIGEST = `sha256:${"a".repeat(64)}`;

test.each(["file:///etc/hostname", "data:text/plain,x", "blob:x", "s3://bucket/key", "ftp://host/x"])(
  "%s is never fetched, not even for an insecure registry",
  async (url) => {
    const sent = send(url, { method: "PUT" }, { from: "http://127.0.0.1", insecure: true });
    await expect(sent).rejects.toThrow(
      `Put "${url}": unsupported protocol scheme "${url.slice(0, url.indexOf(":"))}"`,
    );
  },
);

test("who speaks HTTPS leads to HTTP only where that is allowed", async () => {
  const plain = serve(() => new Response("x"));
  await expect(send(plain, {}, { from: "https://registry.test" })).rejects.toThrow(
    `refusing to go from https to ${plain}`,
  );
  expect(await (await send(plain, {}, { from: "https://registry.test", insecure: true })).text()).toBe("x");
  expect(await (await send(plain, {}, { from: "http://registry.test" })).text()).toBe("x");
});

test("a redirect to a file is refused, on the first hop and on a later one", async () => {
  const location = secret();
  const other = serve(() => new Response(null, { status: 307, headers: { location } }));
  const url = serve(({ url }) => {
    const to = new URL(url).pathname.startsWith("/v2/a/blobs/") ? location : other;
    return new Response(null, { status: 307, headers: { location: to } });
  });
  const words = `Get "${location}": unsupported protocol scheme "file"`;
  await expect(repository(url).blob(DIGEST, 0)).rejects.toThrow(words);
  await expect(repository(url).manifest("v1")).rejects.toThrow(words);
});

test("a place for an upload and a next page that are files are refused", async () => {
  const link = secret();
  const url = serve(() => Response.json({ tags: ["v1"] }, { headers: { link: `<${link}>; rel="next"` } }));
  await expect(repository(url).tags()).rejects.toThrow('unsupported protocol scheme "file"');
  await expect(repository(url).request("PUT", link, { body: "x" })).rejects.toThrow(
    `Put "${link}": unsupported protocol scheme "file"`,
  );
});

test("a location that is no URL is said to be none", () => {
  expect(() => follow("Location", "http://[", "http://a")).toThrow(
    'failed to parse Location header "http://["',
  );
});

test("a host that the registry led to gets no password, and does not name who does", async () => {
  const seen: (string | null)[] = [];
  const other = serve((request) => {
    seen.push(`${new URL(request.url).pathname} ${request.headers.get("authorization")}`);
    const challenge = `Bearer realm="${new URL(request.url).origin}/token"`;
    return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
  });
  const url = serve((request) =>
    request.headers.has("authorization")
      ? new Response(null, { status: 307, headers: { location: `${other}/blob` } })
      : new Response(null, { status: 401, headers: { "www-authenticate": "Basic realm=r" } }),
  );
  const ours = repository(url, { username: "me", password: "secret" });
  await expect(ours.blob(DIGEST, 0)).rejects.toThrow("unauthorized");
  // The registry knows us now: the other host's is the first 401.
  await expect(ours.blob(DIGEST, 0)).rejects.toThrow("unauthorized");
  expect(seen).toEqual(["/blob null", "/blob null"]);
});
