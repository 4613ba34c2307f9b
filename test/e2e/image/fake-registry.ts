/**
 * A registry in this process that can be told to misbehave: TLS with its own authority, a token issuer, blobs that
 * are cut, too long or wrong. Honest otherwise.
 */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { run, sha256 } from "./fixtures.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";

export interface Quirks {
  /** Answers to `GET blob`, by digest, in place of the blob. */
  blob?: (digest: string, request: Request) => Response | undefined;
  /** Ask for a token, from an issuer in the same server. */
  tokens?: { users?: Record<string, string> };
  tls?: { cert: string; key: string };
}

export class FakeRegistry implements Disposable {
  readonly blobs = new Map<string, Uint8Array>();
  readonly manifests = new Map<string, { bytes: Uint8Array; mediaType: string }>();
  readonly log: string[] = [];
  quirks: Quirks;
  readonly #server: Bun.Server<undefined>;

  constructor(quirks: Quirks = {}) {
    this.quirks = quirks;
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      ...(quirks.tls && { tls: quirks.tls }),
      fetch: (request) => this.#answer(request),
    });
  }

  get host(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  blob(bytes: Uint8Array): { digest: string; size: number } {
    const digest = sha256(bytes);
    this.blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  }

  document(
    name: string,
    mediaType: string,
    value: object,
  ): { mediaType: string; digest: string; size: number } {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = sha256(bytes);
    for (const key of [name, digest]) this.manifests.set(key, { bytes, mediaType });
    return { mediaType, digest, size: bytes.length };
  }

  /** An image of tar archives, gzipped. `change` may turn its layers' descriptors into lies. */
  image(
    name: string,
    tars: readonly Uint8Array[],
    options: {
      architecture?: string;
      config?: object;
      change?: (layer: { digest: string; size: number }) => object;
    } = {},
  ) {
    const layers = tars.map((tar) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      ...this.blob(gzipSync(tar)),
    }));
    const config = this.blob(
      Buffer.from(
        JSON.stringify({
          architecture: options.architecture ?? "amd64",
          os: "linux",
          config: options.config ?? {},
          rootfs: { type: "layers", diff_ids: tars.map(sha256) },
        }),
      ),
    );
    return this.document(name, MANIFEST, {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
      layers: layers.map((layer) => ({ ...layer, ...options.change?.(layer) })),
    });
  }

  index(name: string, manifests: readonly object[]) {
    return this.document(name, INDEX, { schemaVersion: 2, mediaType: INDEX, manifests });
  }

  #answer(request: Request): Response {
    const url = new URL(request.url);
    this.log.push(`${request.method} ${url.pathname}${url.search}`);
    if (url.pathname === "/token") return this.#token(request, url);
    const { tokens } = this.quirks;
    if (tokens !== undefined && !request.headers.get("authorization")?.startsWith("Bearer good-")) {
      const realm = `${url.origin}/token`;
      return Response.json(
        { errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] },
        { status: 401, headers: { "www-authenticate": `Bearer realm="${realm}",service="fake"` } },
      );
    }
    const [, kind, reference = ""] = /^\/v2\/.*\/(manifests|blobs)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === "manifests") {
      const found = this.manifests.get(reference);
      if (found === undefined) return new Response(null, { status: 404 });
      const headers = {
        "content-type": found.mediaType,
        "docker-content-digest": sha256(found.bytes),
        "content-length": String(found.bytes.length),
      };
      return new Response(request.method === "HEAD" ? null : (found.bytes as Uint8Array<ArrayBuffer>), {
        headers,
      });
    }
    if (kind === "blobs") {
      const odd = this.quirks.blob?.(reference, request);
      if (odd !== undefined) return odd;
      const bytes = this.blobs.get(reference);
      if (bytes === undefined) return new Response(null, { status: 404 });
      const from = /^bytes=([0-9]+)-$/.exec(request.headers.get("range") ?? "");
      const body = bytes.subarray(Number(from?.[1] ?? 0)) as Uint8Array<ArrayBuffer>;
      return new Response(body, { status: from ? 206 : 200 });
    }
    return new Response("{}");
  }

  #token(request: Request, url: URL): Response {
    const { users = {} } = this.quirks.tokens ?? {};
    const [name, password] = atob(request.headers.get("authorization")?.slice(6) ?? "").split(":");
    if (Object.keys(users).length > 0 && (!name || users[name] !== password)) {
      return Response.json(
        { errors: [{ code: "UNAUTHORIZED", message: "incorrect username or password" }] },
        { status: 401 },
      );
    }
    return Response.json({ token: `good-${url.searchParams.get("scope")}` });
  }

  [Symbol.dispose](): void {
    this.#server.stop(true);
  }
}

/** An authority and a certificate for 127.0.0.1, in files. */
export async function certificates(folder: string): Promise<{ ca: string; cert: string; key: string }> {
  const at = (name: string) => join(folder, name);
  const quiet = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await run(
    "openssl",
    "req",
    "-x509",
    ...quiet,
    "-days",
    "2",
    "-subj",
    "/CN=ca",
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.crt"),
  );
  await run("openssl", "req", ...quiet, "-subj", "/CN=registry", "-keyout", at("r.key"), "-out", at("r.csr"));
  await Bun.write(at("r.ext"), "subjectAltName=IP:127.0.0.1,DNS:registry.test\n");
  await run(
    "openssl",
    "x509",
    "-req",
    "-in",
    at("r.csr"),
    "-CA",
    at("ca.crt"),
    "-CAkey",
    at("ca.key"),
    "-days",
    "2",
    "-extfile",
    at("r.ext"),
    "-out",
    at("r.crt"),
  );
  const text = (name: string) => Bun.file(at(name)).text();
  return { ca: await text("ca.crt"), cert: await text("r.crt"), key: await text("r.key") };
}
