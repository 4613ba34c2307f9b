/** Daemon, shim and keepers, anew for each test, which may kill them: nothing of them stays. */
import { afterEach, beforeEach } from "bun:test";
import type { Footprint } from "../support/footprint.ts";
import { Stack } from "../support/stack.ts";

export let stack: Stack;
/** What there was of it before the test. */
export let before: Footprint;

/** For each test of the file that calls it. */
export function useStack(): void {
  beforeEach(async () => {
    stack = await Stack.start();
    before = stack.footprint();
  }, 30_000);

  afterEach(async () => {
    await stack[Symbol.asyncDispose]();
  }, 30_000);
}
