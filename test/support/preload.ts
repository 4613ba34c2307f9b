/** For every run of tests: what a test that was given up has begun and could not end is taken away at the end. */
import { afterAll } from "bun:test";
import { unswept } from "./unswept.ts";

afterAll(() => {
  for (const each of unswept) each.sweep();
});
