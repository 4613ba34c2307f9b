import { expect, test } from "bun:test";
import { verbose } from "../../../../src/commands/system/df.ts";

test("an image of many names stands in one line, and every line has its own image's sizes", () => {
  const image = (id: string, names: string[], size: number) => ({
    Id: `sha256:${id.repeat(64)}`,
    RepoTags: names,
    RepoDigests: names.map((name) => `${name.split(":")[0]}@sha256:${id.repeat(64)}`),
    Created: 0,
    Size: size,
    SharedSize: 0,
    Containers: 1,
  });
  const shown = verbose({
    LayersSize: 0,
    Images: [image("a", ["one:1", "two:1"], 1000), image("b", ["three:1"], 2000), image("c", [], 3000)],
  });
  const lines = shown.split("\n").slice(2, 7);
  expect(lines).toEqual([
    "REPOSITORY   TAG       IMAGE ID       CREATED   SIZE      SHARED SIZE   UNIQUE SIZE   CONTAINERS",
    "one          1         aaaaaaaaaaaa   N/A       1kB       0B            1kB           1",
    "three        1         bbbbbbbbbbbb   N/A       2kB       0B            2kB           1",
    "<none>       <none>    cccccccccccc   N/A       3kB       0B            3kB           1",
    "",
  ]);
});
