/**
 * The verbs of `tsrunc`, loaded together: the bundler makes a file of every set of modules that something loads on its
 * own, and a start would read two dozen.
 */
import type { Verb } from "../tsrunc.ts";
import { verb as create } from "./create.ts";
import { verb as remove } from "./delete.ts";
import { verb as exec } from "./exec.ts";
import { verb as explain } from "./explain.ts";
import { verb as features } from "./features.ts";
import { verb as kill } from "./kill.ts";
import { verb as list } from "./list.ts";
import { verb as pause } from "./pause.ts";
import { verb as ps } from "./ps.ts";
import { verb as resume } from "./resume.ts";
import { verb as run } from "./run.ts";
import { verb as spec } from "./spec.ts";
import { verb as start } from "./start.ts";
import { verb as state } from "./state.ts";

export const VERBS: Readonly<Record<string, Verb>> = {
  create,
  delete: remove,
  exec,
  explain,
  features,
  kill,
  list,
  pause,
  ps,
  resume,
  run,
  spec,
  start,
  state,
};
