/** Budgets of a store in specs that are not about time: a busy machine must not make a fault of a late answer. */
export const PATIENT = { readTimeoutMs: 5_000, writeTimeoutMs: 10_000 };
