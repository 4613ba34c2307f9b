/** Where things lie under the two roots. The data root outlives a reboot, the exec root does not. */
import { join } from "node:path";

export interface DataPaths {
  root: string;
  database: string;
  /** Held with flock for as long as a daemon owns this root. */
  lock: string;
  content: string;
  snapshots: string;
  containers: string;
  volumes: string;
  /** Folders made ahead; see `spare-folder.ts`. */
  spare: string;
}

export function dataPaths(root: string): DataPaths {
  return {
    root,
    database: join(root, "tsd.db"),
    lock: join(root, "tsd.lock"),
    content: join(root, "content"),
    snapshots: join(root, "snapshots"),
    containers: join(root, "containers"),
    volumes: join(root, "volumes"),
    spare: join(root, "spare"),
  };
}
