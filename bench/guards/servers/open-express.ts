import { serveNest } from './serve.js';

await serveNest({ platform: 'express' });
