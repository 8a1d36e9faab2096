/** A proxy on the way to the authorization server. */
export interface IssuerProxy {
  /** Where tunnels are asked for (RFC 9110 section 9.3.6): `http://` or `https://`, with user and password if need be. */
  readonly url: string;
  /** Hosts that are reached without it, comma-separated, as curl and others have it; `*` for all. */
  readonly noProxy: string;
}

type Fetch = typeof globalThis.fetch;

/**
 * How the authorization server is spoken to: by Node's own `fetch`, or through a proxy, which Node 20 cannot do by itself, and later
 * ones do with `NODE_USE_ENV_PROXY=1` only.
 */
export function issuerFetch(proxy: IssuerProxy | undefined): Fetch {
  if (proxy === undefined) return globalThis.fetch;
  let proxied: Promise<Fetch> | undefined;
  return async (resource, init) => {
    proxied ??= fetchThrough(proxy);
    return (await proxied)(resource, init);
  };
}

/** Loaded only where it is needed: it is another copy of what Node has built in. */
async function fetchThrough({ url, noProxy }: IssuerProxy): Promise<Fetch> {
  const { EnvHttpProxyAgent, fetch } = await import('undici');
  const dispatcher = new EnvHttpProxyAgent({ httpProxy: url, httpsProxy: url, noProxy });
  return (async (resource: string, init: object) =>
    fetch(resource, { ...init, dispatcher })) as unknown as Fetch;
}
