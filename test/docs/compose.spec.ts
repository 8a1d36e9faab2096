import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gatewaySettings } from '@app/gateway';
import { identitySettings } from '@app/identity';
import { userTokenSettings } from '@app/user-token';
import { venueSettings } from '@app/venue';
import { parse } from 'yaml';

/** The images expose these, and others reach them there. */
const FIXED = ['PORT', 'OPS_PORT'];

describe('docker-compose.yml', () => {
  it.each([
    ['gateway', gatewaySettings],
    ['venue', venueSettings],
    ['user-token', userTokenSettings],
    ['identity', identitySettings],
  ])('hands every setting on to %s', (service, settings) => {
    const file = readFileSync(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8');
    const { services } = parse(file, { merge: true });
    const given = {
      ...services[service].environment,
      ...Object.fromEntries(FIXED.map((name) => [name, ''])),
    };
    expect(Object.keys(settings).filter((name) => !(name in given))).toEqual([]);
  });
});
