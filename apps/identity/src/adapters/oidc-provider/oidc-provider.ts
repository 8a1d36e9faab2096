/** oidc-provider without its notice at import on Node 20, where it works; all imports of it go through here. */
import type * as OidcProvider from 'oidc-provider';

export const { Provider, errors }: typeof OidcProvider = await importQuietly();
export type Provider = OidcProvider.Provider;

async function importQuietly(): Promise<typeof OidcProvider> {
  const warn = console.warn;
  console.warn = (...parts: unknown[]) => {
    if (!String(parts[0]).includes('Unsupported runtime')) warn(...parts);
  };
  try {
    // A static import would run before this function could.
    return await import('oidc-provider');
  } finally {
    console.warn = warn;
  }
}
