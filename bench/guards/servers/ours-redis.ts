import { serveBearerGuard } from './bearer-guard.js';

// No entry fits into the process, so that every request takes the trip to Redis.
await serveBearerGuard({ maxBytes: 1 });
