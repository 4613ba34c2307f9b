/** Where an engine keeps what is only of use as long as the machine runs: on a tmpfs, as /run is where engines are used. */
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const TMPFS = "/dev/shm";

/** A folder of that kind; `using` removes it. */
export class VolatileFolder implements Disposable {
  readonly path = mkdtempSync(join(TMPFS, "tsd-bench-"));

  /** Makes it an engine's exec root, before the engine is started, and returns the engine. */
  holds<E extends { folder: string }>(engine: E): E {
    symlinkSync(this.path, join(engine.folder, "exec"));
    return engine;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
