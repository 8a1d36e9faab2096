import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { envExample } from '../../scripts/env-example.mjs';

describe('.env.example', () => {
  it('lists each setting of each service; `npm run env-example` writes it', () => {
    const file = readFileSync(join(import.meta.dirname, '../../.env.example'), 'utf8');
    expect(file).toBe(envExample());
  });
});
