/** Runs a finished file under every name that Bun or Node obey, and in a folder of hostile settings: nothing may change. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MARK = "code from the environment ran";

/**
 * @param under words in front of the program: an emulator, another loader
 * @throws Error naming what changed the program's behaviour
 */
export function checkInert(file: string, under: readonly string[] = []): void {
  const folder = mkdtempSync(join(tmpdir(), "tsd-inert-"));
  try {
    const evil = join(folder, "evil.cjs");
    writeFileSync(evil, `console.log(${JSON.stringify(MARK)})`);
    writeFileSync(join(folder, "bunfig.toml"), `preload = [${JSON.stringify(evil)}]\n`);
    writeFileSync(join(folder, ".env"), `BUN_OPTIONS="--preload ${evil}"\nDOCKER_HOST=tcp://192.0.2.1:1\n`);
    writeFileSync(join(folder, "tsconfig.json"), "{ not json");
    writeFileSync(join(folder, "package.json"), "{ not json");
    const before = readdirSync(folder).length;
    const environments: Record<string, string>[] = [
      { BUN_OPTIONS: `--preload ${evil}` },
      { BUN_OPTIONS: "--print 1+1" },
      { NODE_OPTIONS: `--require ${evil} --import ${evil} --preload ${evil}` },
      { BUN_BE_BUN: "1" },
      { BUN_INSPECT_PRELOAD: evil },
      {
        BUN_INSPECT: "127.0.0.1:0/",
        BUN_INSPECT_PRELOAD: evil,
        BUN_INSPECT_NOTIFY: `unix://${folder}/notify`,
      },
      { BUN_INSPECT_CONNECT_TO: `unix://${folder}/connect` },
      { BUN_BYTECODE_ORDER_OUT: join(folder, "order"), BUN_BYTECODE_ORDER_NAMES_OUT: join(folder, "names") },
      { BUN_BYTECODE_DIGEST_OUT: join(folder, "digest") },
      { BUN_CONFIG_VERBOSE_FETCH: "1" },
      { BUN_JSC_dumpOptions: "1" },
      { BUN_JSC_useJIT: "0", BUN_JSC_useLLInt: "0" },
      { BUN_JSC_functionOverrides: evil },
      { BUN_JSC_nonsense: "1" },
      {
        BUN_TRACE: join(folder, "trace"),
        BUN_WATCHER_TRACE: join(folder, "watcher"),
        BUN_FEATURE_FLAG_NO_ORPHANS: "1",
      },
      { MIMALLOC_DISALLOW_OS_ALLOC: "1" },
      { NODE_CHANNEL_FD: "1", NODE_UNIQUE_ID: "1" },
      { NODE_PATH: folder, NODE_ENV: "development", BUN_ENV: "development" },
    ];
    const answer = (words: string[], environment: Record<string, string>) => {
      const done = Bun.spawnSync([...under, file, ...words], {
        cwd: folder,
        env: { PATH: process.env.PATH ?? "", ...environment },
      });
      return `${done.exitCode}\n${done.stdout}${done.stderr}`;
    };
    for (const words of [["--version"], ["tsrunc", "--version"], ["tsrunc", "features"]]) {
      const plain = answer(words, {});
      if (!plain.startsWith("0\n")) throw new Error(`${file} ${words.join(" ")} ends with ${plain}`);
      for (const environment of environments) {
        const changed = answer(words, environment);
        if (changed !== plain) {
          throw new Error(
            `${file} ${words.join(" ")} under ${JSON.stringify(environment)} prints\n${changed}, without it\n${plain}`,
          );
        }
      }
    }
    if (readdirSync(folder).length !== before)
      throw new Error(`${file} wrote a file where the environment told it: ${readdirSync(folder)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const [file, ...under] = process.argv.slice(2);
  if (file === undefined) throw new Error("usage: inert.ts FILE [WORD…]");
  checkInert(file, under);
}
