import { dirname, resolve } from 'node:path';
import js from '@eslint/js';
import { flatConfigs } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** What each workspace may import of the others: the table of docs/architecture.md. */
const WORKSPACES = {
  'libs/contract': [],
  'libs/wire': [],
  'libs/store': [],
  'libs/ops': [],
  'libs/user-token-client': ['contract', 'wire'],
  'libs/auth': ['contract', 'store', 'user-token-client'],
  'libs/store-settings': ['ops', 'store'],
  'libs/auth-settings': ['auth', 'contract', 'ops', 'store', 'store-settings', 'user-token-client', 'wire'],
  'apps/user-token': ['contract', 'ops', 'store', 'store-settings', 'wire'],
  'apps/venue': ['auth', 'auth-settings', 'contract', 'ops', 'store', 'user-token-client'],
  'apps/gateway': [
    'auth',
    'auth-settings',
    'contract',
    'ops',
    'store',
    'store-settings',
    'user-token-client',
  ],
  'apps/identity': ['ops'],
  'apps/local': ['gateway', 'identity', 'ops', 'store', 'user-token', 'venue'],
};

const DECIDED_ALIKE = [['**/http/*'], 'What is decided is the same in each context.'];

/** What the files of a room may not import, and why. A file is in one room only: of two, the last would count alone. */
const ROOMS = {
  'apps/*/src/core/**': [
    [
      ['**/edge/**', '**/adapters/**', '**/dialects/**', '**/tenant.js'],
      'core/ knows none of the rooms around it.',
    ],
    [
      ['@nestjs/*', 'fastify', 'openid-client', 'jose', 'redis', 'oidc-provider'],
      'core/ knows no framework.',
    ],
  ],
  'apps/*/src/adapters/**': [
    [
      ['**/edge/**', '**/dialects/**', '**/tenant.js'],
      'adapters/ implement the ports of core/, and speak no dialect.',
    ],
  ],
  'apps/identity/src/tenant.ts': [[['**/dialects/**'], 'A tenant is given its dialect.']],
  'apps/identity/src/dialects/*/words/**': [
    [
      ['**/adapters/**', '**/routes/**', '**/tenant.js', '@nestjs/*', 'fastify', 'oidc-provider', 'jose'],
      'The words of a dialect know core/ alone.',
    ],
  ],
  'apps/identity/src/dialects/*/routes/**': [
    [
      ['**/adapters/**', 'oidc-provider', 'jose'],
      'The routes of a dialect reach adapters/ through a tenant.',
    ],
  ],
  'libs/auth/src/cache/**': [
    DECIDED_ALIKE,
    [['**/routes/*', '**/tokens/*'], 'cache/ imports no other room.'],
  ],
  'libs/auth/src/tokens/**': [DECIDED_ALIKE, [['**/routes/*'], 'tokens/ imports cache/ only.']],
  'libs/auth/src/routes/**': [DECIDED_ALIKE, [['**/cache/*'], 'routes/ imports tokens/ only.']],
  'libs/contract/src/tokens/**': [
    [['**/redis/**', '**/operations/**'], 'A token is the same wherever it is sent or kept.'],
  ],
  'libs/contract/src/redis/**': [[['**/operations/**'], 'What is kept does not depend on what is asked.']],
  'libs/contract/src/operations/**': [[['**/redis/**'], 'What is asked does not depend on what is kept.']],
  'libs/store/src/!(index|open-store).ts': [
    [['./redis/**', './memory/**'], 'Only what opens a store knows the kinds of stores.'],
  ],
  'libs/store/src/ports/**': [[['../**'], 'A port knows nothing but ports.']],
  'libs/store/src/sealed/**': [[['../**'], 'A seal knows no store.']],
  'libs/store/src/redis/**': [[['**/memory/**'], 'One kind of store does not know the other.']],
  'libs/store/src/memory/**': [[['**/redis/**'], 'One kind of store does not know the other.']],
};

function workspace([folder, allowed]) {
  // Its testing module lets every request in, so that `auth/testing` is not among what `auth` allows.
  const others = allowed.flatMap((name) => (name === 'ops' ? ['ops', 'ops/run'] : [name]));
  const regex = others.length > 0 ? `^@app/(?!(${others.join('|')})$)` : '^@app/';
  const message = `${folder} imports ${allowed.join(', ') || 'no other workspace'} (docs/architecture.md).`;
  return {
    files: [`${folder}/**`],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: [{ regex, message }] }] },
  };
}

function room([files, restrictions]) {
  const patterns = restrictions.map(([group, message]) => ({ group, message }));
  return {
    files: [files],
    ignores: ['**/*.spec.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns }] },
  };
}

/** Sources import each other by the names that they have once compiled; cycles among packages are ruled out below. */
const sourceResolver = {
  interfaceVersion: 3,
  name: 'compiled-name-to-source',
  resolve: (specifier, importer) =>
    specifier.startsWith('.')
      ? { found: true, path: resolve(dirname(importer), specifier.replace(/\.js$/, '.ts')) }
      : { found: false },
};

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', 'coverage/'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    plugins: { 'import-x': flatConfigs.recommended.plugins['import-x'] },
    languageOptions: {
      parserOptions: { project: ['./tsconfig.spec.json'], tsconfigRootDir: import.meta.dirname },
    },
    settings: {
      'import-x/extensions': ['.ts'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
      'import-x/resolver-next': [sourceResolver],
    },
    rules: {
      'import-x/no-cycle': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // Ports are asynchronous whether or not an adapter has to wait.
      '@typescript-eslint/require-await': 'off',
      // Module, controller and filter classes are often empty.
      '@typescript-eslint/no-extraneous-class': 'off',
    },
  },
  ...Object.entries(WORKSPACES).map(workspace),
  ...Object.entries(ROOMS).map(room),
  {
    files: ['{apps,libs}/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: { 'import-x/no-extraneous-dependencies': ['error', { includeTypes: true }] },
  },
  {
    files: ['**/*.spec.ts', 'test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': 'off',
      // Answers of servers under test are looked into field by field.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-explicit-any': 'off',
    },
  },
  { files: ['**/*.mjs'], ...tseslint.configs.disableTypeChecked },
  {
    files: ['**/*.mjs'],
    languageOptions: { globals: { fetch: 'readonly', process: 'readonly', URL: 'readonly' } },
  },
);
