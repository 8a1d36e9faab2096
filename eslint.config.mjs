import { dirname, resolve } from 'node:path';
import js from '@eslint/js';
import { flatConfigs } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

const APPS = ['user-token', 'venue', 'gateway', 'identity', 'local'];

/** Imports point one way (docs/architecture.md): what a folder may not import, and why. */
function mayNotImport(files, packages, message) {
  const patterns = [{ regex: `^@app/(${packages.join('|')})(/|$)`, message }];
  return { files, rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] } };
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
  mayNotImport(
    ['libs/user-token-client/**'],
    [...APPS, 'auth', 'redis', 'ops'],
    'user-token-client imports nobody.',
  ),
  mayNotImport(['libs/redis/**'], [...APPS, 'auth', 'user-token-client', 'ops'], 'redis imports nobody.'),
  mayNotImport(
    ['libs/store-settings/src/index.ts'],
    [...APPS, 'auth', 'user-token-client'],
    'Its settings import ops.',
  ),
  mayNotImport(['libs/ops/**'], [...APPS, 'auth', 'redis', 'user-token-client'], 'ops imports nobody.'),
  mayNotImport(['libs/auth/**'], [...APPS, 'ops'], 'auth imports redis and user-token-client.'),
  mayNotImport(['libs/auth/src/{settings,readiness}.ts'], APPS, 'Libraries never import apps.'),
  mayNotImport(
    ['apps/identity/**'],
    [...APPS, 'auth', 'redis', 'user-token-client'],
    'identity imports ops.',
  ),
  mayNotImport(
    ['apps/user-token/**'],
    [...APPS, 'auth'],
    'user-token imports libraries, and is no resource server.',
  ),
  mayNotImport(
    ['apps/{venue,gateway}/**'],
    [...APPS, 'auth/testing'],
    'Apps never import apps; @app/auth/testing lets anybody in.',
  ),
  mayNotImport(['apps/local/**'], ['local', 'auth/testing'], '@app/auth/testing lets anybody in.'),
  {
    files: ['apps/*/src/core/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['@nestjs/*', 'fastify', 'openid-client', 'jose', 'redis'],
              message: 'core/ knows no framework.',
            },
            {
              group: ['**/edge/*', '**/adapters/*'],
              message: 'edge/ and adapters/ depend on core/, not the reverse.',
            },
          ],
        },
      ],
    },
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
