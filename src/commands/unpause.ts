/** `unpause`: lets frozen processes go on. */
import { eachContainer } from "./support/container/each.ts";

export const command = eachContainer("unpause", "Unpause all processes of one or more containers");
