/**
 * Runs a plan that ends with 6, and says whether the stage was a sealed memfd.
 */
import { PlanBuilder } from "../../src/engine/runtime/plan.ts";
import { runPlan } from "../../src/engine/runtime/stage.ts";
import { stageFd } from "../../src/ffi/stage/binary.ts";

const { shared } = stageFd();
const plan = new PlanBuilder();
plan.call("exit_group", [6]);
console.log(shared ? "memfd" : "file", await runPlan(plan.build()));
