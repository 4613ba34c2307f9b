/**
 * Whoever has a spare stage, to be killed by a test: says that there is one, and waits.
 */
import { SpareStage } from "../../src/engine/runtime/spare-stage.ts";
import { spares } from "./spares.ts";

new SpareStage().makeSoon(0);
while (spares(process.pid).length === 0) await Bun.sleep(5);
console.log(spares(process.pid)[0]);
setInterval(() => {}, 1000);
