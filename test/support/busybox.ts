/** A busybox image out of Debian's static busybox, as an archive for `docker load`. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BUSYBOX = "/bin/busybox";
const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

/** Writes the archive to `file`, the image tagged with every one of `names`. */
export function writeBusyboxArchive(file: string, names: readonly string[] = ["busybox:latest"]): void {
  const folder = mkdtempSync(join(tmpdir(), "busybox-"));
  try {
    const root = join(folder, "root");
    for (const each of [
      "bin",
      "dev",
      "etc",
      "mnt",
      "proc",
      "root",
      "sys",
      "tmp",
      "var/opt",
      "var/spool/mail",
      "home/app",
      "usr/sbin",
    ]) {
      mkdirSync(join(root, each), { recursive: true });
    }
    copyFileSync(BUSYBOX, join(root, "bin/busybox"));
    chmodSync(join(root, "bin/busybox"), 0o755);
    chmodSync(join(root, "tmp"), 0o1777);
    for (const applet of Bun.spawnSync([BUSYBOX, "--list"]).stdout.toString().trim().split("\n")) {
      if (applet !== "busybox") symlinkSync("busybox", join(root, "bin", applet));
    }
    writeFileSync(
      join(root, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\npostgres:x:70:70::/var/lib/postgresql:/bin/sh\n",
    );
    writeFileSync(join(root, "etc/group"), "root:x:0:\nwheel:x:10:app\nwww-data:x:33:\napp:x:1000:\n");
    const archive = (from: string, to: string, ...what: string[]) => {
      const flags = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
      const done = Bun.spawnSync(["tar", ...flags, "-C", from, "-cf", to, ...what]);
      if (!done.success) throw new Error(done.stderr.toString());
    };
    const layer = join(folder, "layer.tar");
    archive(root, layer, ".");
    const diffId = sha256(readFileSync(layer));
    const config = JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      created: "2024-01-01T00:00:00Z",
      config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${diffId}`] },
      history: [{ created: "2024-01-01T00:00:00Z", created_by: "ADD busybox /" }],
    });
    const name = `${sha256(config)}.json`;
    writeFileSync(join(folder, name), config);
    writeFileSync(
      join(folder, "manifest.json"),
      JSON.stringify([{ Config: name, RepoTags: names, Layers: ["layer.tar"] }]),
    );
    archive(folder, file, "manifest.json", name, "layer.tar");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Gives the image to a daemon, ours or dockerd, as `docker load` does. The archive stays in its folder, `busybox.tar`. */
export function loadBusybox(
  { folder, socket }: { folder: string; socket: string },
  names?: readonly string[],
): void {
  const archive = join(folder, "busybox.tar");
  writeBusyboxArchive(archive, names);
  const load = Bun.spawnSync(["docker", "-H", `unix://${socket}`, "load", "-q", "-i", archive]);
  if (!load.success) throw new Error(`docker load: ${load.stderr}`);
}
