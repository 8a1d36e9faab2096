import { serveBearerGuard } from './bearer-guard.js';

await serveBearerGuard({}, 'express');
