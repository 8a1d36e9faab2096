import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gatewaySettings } from '@app/gateway';
import { identitySettings } from '@app/identity';
import { readSettings, SettingsError, warnOfUnread, type SettingsDefinition } from '@app/ops';
import { userTokenSettings } from '@app/user-token';
import { venueSettings } from '@app/venue';
import { withSettingsTable } from '../../scripts/env-example.mjs';

const document = readFileSync(join(import.meta.dirname, '../../docs/settings.md'), 'utf8');
const SERVICES: Readonly<Record<string, SettingsDefinition>> = {
  gateway: gatewaySettings,
  venue: venueSettings,
  'user-token': userTokenSettings,
  identity: identitySettings,
};

/** Rows of the table of settings: the name, and the message for a wrong value. */
const rows = [...document.matchAll(/^\| `([A-Z0-9_]+)`(?: \(secret\))? +\|[^|]*\|[^|]*\| (.*?) *\|$/gm)].map(
  ([, name = '', said = '']) => ({ name, said: said.replace(/; elsewhere: .*/, '') }),
);

function problemsOf(settings: SettingsDefinition, environment: Record<string, string>): readonly string[] {
  try {
    readSettings(settings, { ENVIRONMENT: 'local', ...environment });
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

describe('docs/settings.md', () => {
  it('has a row for each setting; `npm run env-example` writes them', () => {
    expect(withSettingsTable(document)).toBe(document);
    expect(rows.map(({ name }) => name)).toEqual(
      expect.arrayContaining(Object.values(SERVICES).flatMap((settings) => Object.keys(settings))),
    );
  });

  it.each(rows.filter(({ said }) => said !== 'see TLS'))(
    'has the words of the service: $name $said',
    ({ name, said }) => {
      const readers = Object.values(SERVICES).filter((settings) => name in settings);
      expect(readers).not.toEqual([]);
      for (const settings of readers) {
        // A setting without invalid values still refuses a blank or quoted one.
        const problems = ['é', '  ', '""'].map((value) => problemsOf(settings, { [name]: value }).join('\n'));
        expect(problems.some((text) => text.startsWith(`${name} ${said}`))).toBe(true);
        expect(problems.at(-1)).toMatch(new RegExp(`^${name} has quotes around its value`));
      }
    },
  );

  it.each(Object.keys(SERVICES))(
    'has no variable of another service or of a usual environment that %s warns of',
    (service) => {
      const others = Object.values(SERVICES).flatMap((settings) => Object.keys(settings));
      const suite = ['IDENTITY', 'USER_TOKEN', 'GATEWAY', 'VENUE'].flatMap((name) => [
        ...[`${name}_PORT`, `${name}_OPS_PORT`, `${name}_SERVICE_HOST`, `${name}_SERVICE_PORT`],
        `${name}_PORT_3000_TCP_ADDR`,
      ]);
      const compose = [
        'BIND_ADDRESS',
        'NODE_IMAGE',
        'REDIS_IMAGE',
        'COMPOSE_PROJECT_NAME',
        'REDIS_PORT',
        'REDIS_HOST',
      ];
      const proxies = ['https_proxy', 'http_proxy', 'no_proxy', 'all_proxy', 'ALL_PROXY'];
      const names = [...others, ...suite, ...compose, ...proxies];
      const told: object[] = [];
      warnOfUnread(SERVICES[service]!, Object.fromEntries(names.map((name) => [name, 'x'])), {
        warn: (fields) => told.push(fields),
      });
      expect(told).toEqual([]);
    },
  );

  it.each(Object.keys(SERVICES))('has all faults of %s in one message', (service) => {
    const settings = SERVICES[service]!;
    const names = Object.keys(settings);
    const wrong = Object.fromEntries(names.map((name) => [name, '"wrong"']));
    const problems = problemsOf(settings, wrong);
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual(names);
    expect(problems.every((problem) => problem.includes('quotes'))).toBe(true);
  });
});
