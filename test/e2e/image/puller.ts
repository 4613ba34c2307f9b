/** A process to be killed: `bun puller.ts DATA-ROOT REFERENCE` pulls and says so when it has begun. */
import { Engine } from "./fixtures.ts";

const [dataRoot, reference] = process.argv.slice(2) as [string, string];
using engine = new Engine(dataRoot);
await engine.service.pull({ reference, tag: "v1" }, ({ status }) => console.log(status));
