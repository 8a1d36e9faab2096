// Writes .env.example, and the table in docs/settings.md, from the settings that the services read: `npm run env-example`,
// after a build.
import { readFileSync, writeFileSync } from 'node:fs';
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
# "local default": taken when ENVIRONMENT=local and the variable is unset; elsewhere it must be set. LOCAL_NAME replaces it.
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

const BEGIN = '<!-- Made by `npm run env-example`. -->';
const END = '<!-- The end of what it makes. -->';

/** `docs/settings.md` with its table as it should be. */
export function withSettingsTable(document) {
  const [before, after] = [document.indexOf(BEGIN), document.indexOf(END)];
  return `${document.slice(0, before)}${BEGIN}\n\n${settingsTable()}\n\n${document.slice(after)}`;
}

function settingsTable() {
  const names = [...new Set(Object.values(SERVICES).flatMap((settings) => Object.keys(settings)))];
  const head = ['setting', 'read by', 'default', 'what is said of a wrong value'];
  const rows = [head, ...names.map(row)].map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  const lines = rows.map((cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`);
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return lines.join('\n');
}

function row(name) {
  const users = Object.entries(SERVICES).filter(([, settings]) => name in settings);
  const [, { [name]: setting }] = users[0];
  return [
    `\`${name}\`${setting.secret ? ' (secret)' : ''}`,
    users.length === Object.keys(SERVICES).length ? 'all' : users.map(([service]) => service).join(', '),
    defaultsOf(name, users),
    wordsFor(setting, name),
  ];
}

function defaultsOf(name, users) {
  const [, { [name]: setting }] = users[0];
  const own = [...new Set(users.map(([, settings]) => settings[name].default))];
  const words = [
    own.length > 1 &&
      users.map(([service, settings]) => `${service} \`${settings[name].default}\``).join(', '),
    own.length === 1 && own[0] !== undefined && `\`${own[0]}\``,
    setting.localDefault !== undefined && `local: \`${setting.localDefault}\``,
  ].filter(Boolean);
  if (words.length > 0) return words.join('; ');
  return setting.schema.safeParse(undefined).success ? 'none' : 'must be set';
}

/** What the schema says of the first of these that it does not take. */
function wordsFor(setting, name) {
  const wrong = ['é', ' ', '']
    .map((value) => setting.schema.safeParse(value))
    .find(({ success }) => !success);
  const said = wrong?.error.issues.map(({ message }) => message).join(', ') ?? 'see TLS';
  const elsewhere =
    setting.localOnly || (setting.secret && setting.localDefault)
      ? `; elsewhere: ${name} is one for local work`
      : '';
  return `${said}${elsewhere}`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = join(import.meta.dirname, '..');
  writeFileSync(join(root, '.env.example'), envExample());
  const document = join(root, 'docs', 'settings.md');
  writeFileSync(document, withSettingsTable(readFileSync(document, 'utf8')));
}
