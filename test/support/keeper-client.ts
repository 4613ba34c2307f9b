/**
 * A client of a keeper to be killed by a test: starts one in the folder that is its argument, says so, and waits.
 */
import { launchKeeper } from "../../src/engine/runtime/keeper.ts";
import { keptPlan } from "./plans.ts";

const script = "echo printed early; read line; echo printed late";
await launchKeeper(keptPlan(process.argv[2]!, script), { exit() {}, watch() {}, close() {} });
console.log("kept");
setInterval(() => {}, 1000);
