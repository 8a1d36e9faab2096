import { clientsYaml, HASH_OF_S } from '@app/test-support/suite/oauth-clients';
import { ClientDocument } from './client-document.js';

/** As written by people: comments in all places, strings with and without quotes, keys in another order than ours. */
const file = (list: string) => `# Top.

# Of all clients.
clients:
${list}- client_id: "first" # id
${list}  scope: 'read:venues'
${list}  # grants
${list}  grant_types: [password, refresh_token] # flow
${list}  secrets:
${list}  ${list}# old
${list}  ${list}- hash: ${HASH_OF_S} # hash
${list}  ${list}  # since
${list}  ${list}  created_at: 2026-01-01T00:00:00.000Z
${list}  enabled: true # state

${list}# Second.
${list}- { client_id: second, grant_types: [password], scope: a, secrets: [] }
`;

describe('a file of clients, after a change', () => {
  const change = (source: string) => {
    const document = ClientDocument.parse('clients.yaml', source);
    return document.with({ ...document.clients[0]!, enabled: false });
  };

  it.each([
    ['lists that are indented', file('  ')],
    ['lists that are not', file('')],
    ['line breaks of Windows', file('  ').replaceAll('\n', '\r\n')],
  ])('is what it was but for what was changed, with %s', (_title, source) => {
    // Only the space within braces is not kept.
    const bare = source.replace('{ ', '{').replace(' }', '}');
    expect(change(source)).toBe(bare.replace('enabled: true', 'enabled: false'));
  });

  it('leaves out default values', () => {
    const document = ClientDocument.parse('clients.yaml', clientsYaml('first'));
    const [client] = document.clients;
    const changed = document.with({ ...client!, scope: 'a' });
    expect(changed).toBe(clientsYaml('first').replace('read:venues', 'a'));
  });
});
