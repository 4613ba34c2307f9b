/** Stacks that a test has begun and not ended yet. */
export const unswept = new Set<{ sweep(): void }>();
