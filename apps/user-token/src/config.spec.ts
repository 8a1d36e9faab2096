import { readUserTokenConfig } from './config.js';

describe('the proxy on the way to the authorization server', () => {
  const proxyOf = (environment: Record<string, string>) =>
    readUserTokenConfig({
      ENVIRONMENT: 'local',
      AUTH0_ISSUER_URL: 'https://acme.test/',
      ...environment,
    }).proxy;

  it.each<[string, Record<string, string>, object | undefined]>([
    ['none', {}, undefined],
    ['none where its variables are empty', { HTTPS_PROXY: '', https_proxy: '', NO_PROXY: '' }, undefined],
    [
      'that of its scheme',
      { HTTPS_PROXY: 'http://p:8080', HTTP_PROXY: 'http://p:8081', NO_PROXY: '.local,10.0.0.1' },
      { url: 'http://p:8080', noProxy: '.local,10.0.0.1' },
    ],
    [
      'that of the other scheme',
      { AUTH0_ISSUER_URL: 'http://acme.test/', HTTPS_PROXY: 'http://p:8080', HTTP_PROXY: 'http://p:8081' },
      { url: 'http://p:8081', noProxy: '' },
    ],
    ['none for the other scheme', { HTTP_PROXY: 'http://p:8081' }, undefined],
    [
      'one that wants TLS and a password',
      { HTTPS_PROXY: 'https://u:p@p/' },
      { url: 'https://u:p@p/', noProxy: '' },
    ],
    ['one that is written shorter', { HTTPS_PROXY: 'p:8080' }, { url: 'http://p:8080', noProxy: '' }],
    ['that in lower case', { https_proxy: 'http://p:1', no_proxy: '*' }, { url: 'http://p:1', noProxy: '*' }],
    [
      'that in lower case first',
      { https_proxy: 'http://p:1', HTTPS_PROXY: 'http://p:2' },
      { url: 'http://p:1', noProxy: '' },
    ],
    [
      'none to this machine',
      { AUTH0_ISSUER_URL: 'https://localhost:3002/', HTTPS_PROXY: 'http://p:1' },
      undefined,
    ],
    ['none to its address', { AUTH0_ISSUER_URL: 'https://127.0.0.1/', HTTPS_PROXY: 'http://p:1' }, undefined],
    [
      'none to its IPv6 address',
      { AUTH0_ISSUER_URL: 'https://[::1]/', HTTPS_PROXY: 'http://p:1' },
      undefined,
    ],
    [
      'none to this machine, whatever it is',
      { AUTH0_ISSUER_URL: 'http://localhost:3002/', HTTP_PROXY: 'socks5://p:1080' },
      undefined,
    ],
  ])('is %s', (_title, environment, proxy) => {
    expect(proxyOf(environment)).toEqual(proxy);
  });

  it.each(['socks5://canary.example:1080', 'http://', 'http://canary host:80'])(
    'is refused by the name of its setting, and not shown: %p',
    (url) => {
      for (const name of ['HTTPS_PROXY', 'https_proxy']) {
        const reading = () => proxyOf({ [name]: url });
        expect(reading).toThrow('HTTPS_PROXY must be the URL of a proxy');
        expect(reading).not.toThrow(/canary/);
      }
    },
  );

  it('is refused where its user or password cannot be decoded, and not shown', () => {
    const reading = () => proxyOf({ HTTPS_PROXY: 'http://canary:p%zz@p:8080' });
    expect(reading).toThrow('HTTPS_PROXY has a "%" in its user or password');
    expect(reading).not.toThrow(/canary|zz/);
  });
});
