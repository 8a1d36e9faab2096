/** Budgets of a store in specs that are not about time: on a busy machine a late answer is no fault. */
export const PATIENT = { readTimeoutMs: 5_000, writeTimeoutMs: 10_000 };
