import type { RunningSuite } from './start-suite.js';

/** The output of `npm start` when everything is up: addresses, users, and lines to paste. */
export function greeting({ gatewayUrl, venueUrl, issuer, identity }: RunningSuite): string {
  const accessToken = `sed -n 's/.*"access_token":"\\([^"]*\\)".*/\\1/p'`;
  const [username, password] = identity
    ? ['ada@example.com', 'analytical-engine-1843']
    : ['<username>', '<password>'];
  const lines = [
    '',
    'The suite is ready.',
    `  gateway   ${gatewayUrl}`,
    `  venue     ${venueUrl}`,
    `  issuer    ${issuer}${identity ? ' (bundled)' : ''}`,
    '',
    ...(identity
      ? [
          `Log in as ${username} / ${password} (may write), or grace@example.com / nanosecond-11.8-inches (reads only).`,
        ]
      : ['Log in as a user of the tenant.']),
    'Log in, call a guarded route, refresh, log out:',
    '',
    `TOKEN=$(curl -s ${gatewayUrl}/auth/login -H 'Content-Type: application/json' -d '{"username":"${username}","password":"${password}"}' | ${accessToken}); echo "$TOKEN"`,
    `curl -i ${venueUrl}/venues -H "Authorization: Bearer $TOKEN"`,
    `TOKEN=$(curl -s -X POST ${gatewayUrl}/auth/refresh -H "Authorization: Bearer $TOKEN" | ${accessToken}); echo "$TOKEN"`,
    `curl -i -X POST ${gatewayUrl}/auth/logout -H "Authorization: Bearer $TOKEN"`,
    '',
    'Ctrl-C stops everything.',
    '',
  ];
  return `${lines.join('\n')}\n`;
}
