/** Registries, image layouts and an image service of its own for each test; all of it ends with `using`. */
import type { Database } from "bun:sqlite";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { imageSchema } from "../../../src/engine/image/schema.ts";
import { createImageService } from "../../../src/engine/image/service.ts";
import type {
  ImageService,
  ImageServiceOptions,
  ImageUser,
  ProgressMessage,
} from "../../../src/engine/image/types.ts";
import { openDatabase } from "../../../src/engine/store/database.ts";

export const sha256 = (bytes: Uint8Array | string): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A folder of its own. */
export class Scratch implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "tsd-image-"));
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** The image service over a fresh data root. */
export class Engine implements Disposable {
  readonly dataRoot: string;
  readonly service: ImageService;
  readonly events: string[] = [];
  readonly users: ImageUser[] = [];
  readonly #db: Database;

  constructor(dataRoot: string, options: Partial<ImageServiceOptions> = {}) {
    this.dataRoot = dataRoot;
    mkdirSync(dataRoot, { recursive: true });
    this.#db = openDatabase(join(dataRoot, "tsd.db"), [imageSchema]);
    this.service = createImageService({
      db: this.#db,
      dataRoot,
      emit: ({ Action, Actor }) => this.events.push(`${Action} ${Actor.Attributes.name}`),
      users: () => this.users,
      ...options,
    });
  }

  /** The lines of a pull. */
  async pull(reference: string, options: object = {}): Promise<ProgressMessage[]> {
    const lines: ProgressMessage[] = [];
    await this.service.pull(
      { reference, tag: reference.includes(":", reference.lastIndexOf("/")) ? "" : "latest", ...options },
      (line) => lines.push(line),
    );
    return lines;
  }

  async load(bytes: Uint8Array | string): Promise<string[]> {
    const lines: string[] = [];
    const body =
      typeof bytes === "string"
        ? Bun.file(bytes).stream()
        : new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
    await this.service.load(body, { quiet: true }, ({ stream = "" }) => lines.push(stream.trim()));
    return lines;
  }

  /** Names of blobs, unfinished blobs, and snapshot folders. */
  left(): { blobs: string[]; ingest: string[]; snapshots: string[] } {
    return {
      blobs: readdirSync(join(this.dataRoot, "content/blobs/sha256")),
      ingest: readdirSync(join(this.dataRoot, "content/ingest")),
      snapshots: readdirSync(join(this.dataRoot, "snapshots")),
    };
  }

  /** The only layer's folder. */
  layer(): string {
    return join(this.dataRoot, "snapshots", this.left().snapshots.sort((a, b) => Number(a) - Number(b))[0]!);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

/** Waits for what is freed off the turn. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (holds()) return;
    await Bun.sleep(25);
  }
  throw new Error(`never: ${what}`);
}

/** A real docker-registry on loopback. */
export class Registry implements AsyncDisposable {
  readonly host: string;
  readonly #child: Bun.Subprocess;

  private constructor(host: string, child: Bun.Subprocess) {
    this.host = host;
    this.#child = child;
  }

  /** For those with an account only, when there are any. */
  static async start(folder: string, accounts: Readonly<Record<string, string>> = {}): Promise<Registry> {
    const port = await freePort();
    const passwords = join(folder, "htpasswd");
    const lines = Object.entries(accounts).map(
      ([name, password]) => `${name}:${Bun.password.hashSync(password, { algorithm: "bcrypt", cost: 4 })}\n`,
    );
    writeFileSync(passwords, lines.join(""));
    const auth = lines.length > 0 ? `auth: { htpasswd: { realm: test, path: ${passwords} } }\n` : "";
    const config = join(folder, "registry.yml");
    writeFileSync(
      config,
      `version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: ${join(folder, "registry")} }, delete: { enabled: true } }
http: { addr: "127.0.0.1:${port}" }
${auth}`,
    );
    const child = Bun.spawn(["docker-registry", "serve", config], { stdout: "ignore", stderr: "ignore" });
    for (let i = 0; i < 200; i++) {
      if (
        await fetch(`http://127.0.0.1:${port}/v2/`).then(
          () => true,
          () => false,
        )
      )
        break;
      await Bun.sleep(25);
    }
    return new Registry(`127.0.0.1:${port}`, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
  }
}

export interface LayoutLayer {
  bytes: Uint8Array;
  mediaType?: string;
  /** Digest of the uncompressed archive; computed for gzip by whoever makes it. */
  diffId: string;
}

export const gzipLayer = (tar: Uint8Array): LayoutLayer => ({ bytes: gzipSync(tar), diffId: sha256(tar) });

/** An OCI layout of one image on disk, for skopeo. Returns the manifest's digest. */
export function writeLayout(
  folder: string,
  layers: readonly LayoutLayer[],
  options: { architecture?: string; config?: object; created?: string } = {},
): string {
  const blobs = join(folder, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const add = (bytes: Uint8Array) => {
    const digest = sha256(bytes);
    writeFileSync(join(blobs, digest.slice(7)), bytes);
    return { digest, size: bytes.length };
  };
  const config = add(
    Buffer.from(
      JSON.stringify({
        created: options.created ?? "2024-05-06T07:08:09Z",
        architecture: options.architecture ?? "amd64",
        os: "linux",
        config: options.config ?? { Cmd: ["/bin/sh"], Env: ["PATH=/bin"] },
        rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
        history: layers.map((_, i) => ({ created: "2024-05-06T07:08:09Z", created_by: `step ${i}` })),
      }),
    ),
  );
  const manifest = add(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
        layers: layers.map(({ bytes, mediaType }) => ({
          mediaType: mediaType ?? "application/vnd.oci.image.layer.v1.tar+gzip",
          ...add(bytes),
        })),
      }),
    ),
  );
  writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(folder, "index.json"),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [
        {
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          ...manifest,
          annotations: { "org.opencontainers.image.ref.name": "fixture" },
        },
      ],
    }),
  );
  return manifest.digest;
}

/** Runs a program, throws with its words when it fails. */
export async function run(...command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [out, error] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${error}`);
  return out;
}

export const skopeo = (...words: string[]): Promise<string> => run("skopeo", "--insecure-policy", ...words);

export const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;
