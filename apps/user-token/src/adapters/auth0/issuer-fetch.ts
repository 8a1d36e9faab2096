/** A proxy on the way to the authorization server. */
export interface IssuerProxy {
  /** Address for CONNECT requests (RFC 9110 section 9.3.6): `http://` or `https://`, with user and password if necessary. */
  readonly url: string;
  /** Hosts without a proxy, comma-separated, in curl's syntax; `*` for all. */
  readonly noProxy: string;
}

type Fetch = typeof globalThis.fetch;

/**
 * The `fetch` for the authorization server: Node's own, or one through a proxy. Node 20 has none; later versions need
 * `NODE_USE_ENV_PROXY=1`.
 */
export function issuerFetch(proxy: IssuerProxy | undefined): Fetch {
  if (proxy === undefined) return globalThis.fetch;
  let proxied: Promise<Fetch> | undefined;
  return async (resource, init) => {
    proxied ??= fetchThrough(proxy);
    return (await proxied)(resource, init);
  };
}

/** Loads undici only for a proxy: Node has a copy of its own, without this part. */
async function fetchThrough({ url, noProxy }: IssuerProxy): Promise<Fetch> {
  const { EnvHttpProxyAgent, fetch } = await import('undici');
  const dispatcher = new EnvHttpProxyAgent({ httpProxy: url, httpsProxy: url, noProxy });
  return (async (resource: string, init: object) =>
    fetch(resource, { ...init, dispatcher })) as unknown as Fetch;
}
