import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gatewaySettings } from '@app/gateway';
import { identitySettings } from '@app/identity';
import { readSettings, SettingsError, type Setting, type SettingsDefinition } from '@app/ops';
import { userTokenSettings } from '@app/user-token';
import { venueSettings } from '@app/venue';
import { parse } from 'yaml';

const SERVICES: Readonly<Record<string, SettingsDefinition>> = {
  gateway: gatewaySettings,
  venue: venueSettings,
  'user-token': userTokenSettings,
  identity: identitySettings,
};

/** Names that open nothing: an API, and a port of this machine. */
const HARMLESS = ['AUTH0_AUDIENCE', 'USER_TOKEN_URL'];

function problemsOf(name: string, setting: Setting, value: string, environment: string): readonly string[] {
  try {
    readSettings({ [name]: setting }, { ENVIRONMENT: environment, [name]: value });
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

const published = Object.entries(SERVICES).flatMap(([service, settings]) =>
  Object.entries(settings)
    .filter(([name, setting]) => setting.default === undefined && !HARMLESS.includes(name))
    .flatMap(([name, setting]) =>
      setting.localDefault === undefined ? [] : [{ service, name, setting, value: setting.localDefault }],
    ),
);

const seed = parse(readFileSync(join(import.meta.dirname, '../../apps/identity/seed.yaml'), 'utf8'));

describe('a value published for local work', () => {
  it.each(published)('is refused by $service elsewhere: $name', ({ name, setting, value }) => {
    expect(problemsOf(name, setting, value, 'local')).toEqual([]);
    for (const environment of ['dev', 'prod']) {
      expect(problemsOf(name, setting, value, environment)).toEqual([
        expect.stringContaining(`${name} is one for local work`),
      ]);
    }
  });

  it.each(seed.clients as { client_id: string; client_secret: string }[])(
    'is refused elsewhere: $client_id of the bundled server',
    ({ client_id: id, client_secret: secret }) => {
      const { AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET } = userTokenSettings;
      expect(problemsOf('AUTH0_CLIENT_ID', AUTH0_CLIENT_ID, id, 'prod')).toHaveLength(1);
      expect(problemsOf('AUTH0_CLIENT_SECRET', AUTH0_CLIENT_SECRET, secret, 'prod')).toHaveLength(1);
    },
  );
});
