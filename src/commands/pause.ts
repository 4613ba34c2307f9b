/** `pause`: freezes all processes of containers. */
import { eachContainer } from "./support/container/each.ts";

export const command = eachContainer("pause", "Pause all processes of one or more containers");
