/** oidc-provider without the notice it prints when imported on Node 20, where it works (its whole API is used through here). */
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
