// Writes .env.example from the settings that the services read: `npm run env-example`, after a build.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gatewaySettings } from '@app/gateway';
import { identitySettings } from '@app/identity';
import { userTokenSettings } from '@app/user-token';
import { venueSettings } from '@app/venue';

const SERVICES = {
  gateway: gatewaySettings,
  venue: venueSettings,
  'user-token': userTokenSettings,
  identity: identitySettings,
};

const HEAD = `# Every variable of every service, with its default. Made by \`npm run env-example\`.
# "local default": taken when ENVIRONMENT=local and the variable is unset; elsewhere it must be set.
# "secret": NAME_FILE may name a file that holds the value instead.
# \`npm start\` runs all services in one process: there PORT and OPS_PORT are GATEWAY_PORT, GATEWAY_OPS_PORT, VENUE_PORT and so on.
# \`npm start\` and \`npm run start:*\` read a copy of this that is named .env, or the file that ENV_FILE names; what is set already stays.
# A value with a "#" needs single quotes around it there. What each service says of a wrong value is in docs/settings.md.
`;

export function envExample() {
  const names = [...new Set(Object.values(SERVICES).flatMap((settings) => Object.keys(settings)))];
  return `${HEAD}${names.map((name) => `\n${describe(name)}`).join('')}`;
}

function describe(name) {
  const users = Object.entries(SERVICES).filter(([, settings]) => name in settings);
  const who =
    users.length === Object.keys(SERVICES).length ? 'all' : users.map(([service]) => service).join(', ');
  const [, { [name]: setting }] = users[0];
  const defaults = [...new Set(users.map(([, settings]) => settings[name].default))];
  const notes = [
    setting.secret && 'secret',
    defaults.length > 1 &&
      `default: ${users.map(([service, settings]) => `${service} ${settings[name].default}`).join(', ')}`,
    defaults.length === 1 && defaults[0] !== undefined && `default: ${defaults[0]}`,
    setting.localDefault !== undefined && `local default: ${setting.localDefault}`,
  ].filter(Boolean);
  const lines = [
    `# ${setting.doc}`,
    `# [${who}]${notes.length > 0 ? ` ${notes.join('; ')}` : ''}`,
    `#${name}=`,
  ];
  return `${lines.join('\n')}\n`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(join(import.meta.dirname, '..', '.env.example'), envExample());
}
