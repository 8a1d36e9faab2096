import { serveBearerGuard } from './bearer-guard.js';

// Forgotten before its turn comes again: each request misses both tiers, asks user-token, and fills both tiers.
await serveBearerGuard({ ttlSeconds: 1 });
