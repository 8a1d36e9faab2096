import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gatewaySettings } from '@app/gateway';
import { identitySettings } from '@app/identity';
import type { SettingsDefinition } from '@app/ops';
import { userTokenSettings } from '@app/user-token';
import { venueSettings } from '@app/venue';
import { parse } from 'yaml';

const read = (name: string) => readFileSync(join(import.meta.dirname, '../..', name), 'utf8');

interface Service {
  readonly build: { readonly target: string; readonly args: Readonly<Record<string, string>> };
  readonly environment?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

const servicesOf = (file: string): Readonly<Record<string, Service>> =>
  parse(read(file), { merge: true }).services;
const services = servicesOf('docker-compose.yml');

const SETTINGS: [string, SettingsDefinition][] = [
  ['gateway', gatewaySettings],
  ['venue', venueSettings],
  ['user-token', userTokenSettings],
  ['identity', identitySettings],
];

/** Names of an image's own stages, and of its base image. */
function stages(): Map<string, { from: string; lines: string[] }> {
  const found = new Map<string, { from: string; lines: string[] }>();
  let current: string[] = [];
  for (const line of read('Dockerfile').split('\n')) {
    const [, from, name] = /^FROM (\S+) AS (\S+)$/.exec(line) ?? [];
    if (from !== undefined && name !== undefined) found.set(name, { from, lines: (current = []) });
    else current.push(line);
  }
  return found;
}

/** The ports that the images expose. */
const FIXED = ['PORT', 'OPS_PORT'];
const OWN_VALUES: Readonly<Record<string, string>> = {
  ENVIRONMENT: '${ENVIRONMENT:-local}',
  HOST: '*',
  OPS_HOST: '*',
};

describe('docker-compose.yml', () => {
  describe.each(SETTINGS)('passes on to %s', (service, settings) => {
    const given = services[service]!.environment!;

    it('each of its settings, secrets as files as well, and no other', () => {
      const read = Object.entries(settings).flatMap(([name, { secret }]) =>
        secret ? [name, `${name}_FILE`] : [name],
      );
      const names = [...Object.keys(given).filter((name) => !name.startsWith('LOCAL_')), ...FIXED];
      expect(names.toSorted()).toEqual(read.toSorted());
    });

    it('no default value outside of ENVIRONMENT=local', () => {
      for (const [name, value] of Object.entries(given)) {
        const [, replaced] = /^LOCAL_(.+)$/.exec(name) ?? [];
        if (replaced === undefined) expect(value).toBe(OWN_VALUES[name] ?? `\${${name}:-}`);
        else expect(settings[replaced]!.localDefault).toEqual(expect.any(String));
      }
    });
  });

  describe.each(Object.entries(services))('contains %s', (name, service) => {
    it('without capabilities, new privileges, or anything of the host', () => {
      expect(service).toMatchObject({ cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
      const opening = [
        'privileged',
        'cap_add',
        'devices',
        'network_mode',
        'pid',
        'ipc',
        'userns_mode',
        'user',
      ];
      expect(opening.filter((key) => key in service)).toEqual([]);
    });

    it('with no place to write but temporary files and its own volume', () => {
      expect(service).toMatchObject({ read_only: true, tmpfs: [name === 'e2e' ? '/tmp:exec' : '/tmp'] });
      for (const volume of (service['volumes'] ?? []) as string[]) expect(volume).toMatch(/^[a-z-]+:\/data$/);
    });

    it('within limits of memory and of processes', () => {
      expect(service).toMatchObject({
        mem_limit: expect.stringMatching(/^\d+[mg]$/),
        pids_limit: expect.any(Number),
      });
    });

    it('with logs that neither fill the disk nor delay the service', () => {
      const { driver, options } = service['logging'] as { driver: string; options: Record<string, string> };
      expect(driver).toBe('json-file');
      expect(options).toMatchObject({ 'max-size': '10m', 'max-file': '3', mode: 'non-blocking' });
    });

    it('on an image that a digest may name, as its own user', () => {
      const { target, args } = service.build;
      expect('image' in service).toBe(false);
      const all = stages();
      let user: string | undefined;
      let from = target;
      for (let stage = all.get(from); stage; stage = all.get(from)) {
        user ??= stage.lines.findLast((line) => line.startsWith('USER '))?.slice('USER '.length);
        from = stage.from;
      }
      const [, argument] = /^\$\{(\w+)\}$/.exec(from) ?? [];
      const [, tag] = new RegExp(`^ARG ${argument}=(.+)$`, 'm').exec(read('Dockerfile')) ?? [];
      expect(args[argument!]).toBe(`\${${argument}:-${tag}}`);
      expect(['node', 'redis']).toContain(user);
    });
  });

  it('publishes on 127.0.0.1 by default, and neither Redis nor user-token', () => {
    const published = Object.entries(services).filter(([, service]) => 'ports' in service);
    expect(published.map(([name]) => name)).toEqual(['identity', 'gateway', 'venue']);
    for (const [, { ports }] of published) {
      expect(ports).toEqual([expect.stringMatching(/^\$\{BIND_ADDRESS:-127\.0\.0\.1\}:\$\{\w+:-\d+\}:\d+$/)]);
    }
  });

  it('gives Redis a limit below that of its container', () => {
    const { command, mem_limit: limit } = services['redis']!;
    const [, maxMemory] = / --maxmemory (\d+)mb /.exec(String(command)) ?? [];
    expect(limit).toBe('1g');
    expect(Number(maxMemory)).toBeLessThanOrEqual(512);
    expect(command).toContain('--maxmemory-policy noeviction');
  });
});

describe('docker-compose.secrets.yml', () => {
  const files: Record<string, { file: string }> = parse(read('docker-compose.secrets.yml')).secrets;

  it.each(Object.entries(servicesOf('docker-compose.secrets.yml')))(
    'gives %s its secrets as files, and no other secrets',
    (name, { environment = {}, ...service }) => {
      const settings = new Map(SETTINGS).get(name)!;
      const mounted = (service['secrets'] as string[]).map((secret) => `/run/secrets/${secret}`);
      const read = Object.entries(environment).filter(([setting]) => setting.endsWith('_FILE'));
      expect(read.map(([, path]) => path).toSorted()).toEqual(mounted.toSorted());
      const named = read.map(([setting]) => setting.replace(/_FILE$/, ''));
      expect(named.filter((setting) => !settings[setting]?.secret)).toEqual([]);
      const needed = Object.keys(settings).filter(
        (setting) => settings[setting]!.secret && settings[setting]!.localDefault !== undefined,
      );
      expect(named).toEqual(expect.arrayContaining(needed));
    },
  );

  it('takes them from a folder that git and the images ignore', () => {
    for (const [name, { file }] of Object.entries(files)) expect(file).toBe(`\${SECRETS:-./secrets}/${name}`);
    expect(read('.gitignore').split('\n')).toEqual(expect.arrayContaining(['secrets/', '*.env']));
  });
});

describe('.dockerignore', () => {
  it.each([
    '.git',
    '**/.env*',
    '**/*.env',
    '**/*.pem',
    '**/*.key',
    '**/secrets',
    '**/coverage',
    '**/node_modules',
    '**/dist',
  ])('keeps %s out of the images', (pattern) => {
    const lines = read('.dockerignore').split('\n');
    expect(lines).toContain(pattern);
    expect(lines.filter((line) => line.startsWith('!'))).toEqual(['!.env.example']);
  });
});
