/** A seed of the specs' own, for what the local one does not have. */
export const PASSWORD = 'café au lait +&= %41 ';
export const ADA = { username: 'ada@example.com', password: PASSWORD };
export const APP = { client_id: 'app', client_secret: 'a-client-secret-1' };
export const PROXY = { client_id: 'proxy', client_secret: 'a-client-secret-2' };
export const MACHINE = { client_id: 'machine', client_secret: 'a-client-secret-3' };
export const API = 'https://api.example/';

export const ownSeed = `
default_directory: Users
connections: [{ name: Users }]
apis:
  - { identifier: '${API}', name: api, scopes: [read], allow_offline_access: true, token_dialect: rfc9068_profile }
  - { identifier: 'https://online.example/', name: online, scopes: [read] }
clients:
  - client_id: app
    client_secret: a-client-secret-1
    grant_types: [password, refresh_token]
    refresh_token_leeway_seconds: 60
  - client_id: proxy
    client_secret: a-client-secret-2
    grant_types: [password]
    is_token_endpoint_ip_header_trusted: true
  - client_id: machine
    client_secret: a-client-secret-3
    grant_types: [client_credentials]
users:
  - user_id: auth0|ada
    email: Ada@example.com
    # Of PASSWORD.
    password: scrypt$N=16384,r=8,p=1$OOUl8BGynTMw_GiceOOurw$UyJ14_gjViU0CLHPLK9Rmp_eLtULKMNRHY3zI9J3Wso
    permissions: { '${API}': [read], 'https://online.example/': [read] }
`;
