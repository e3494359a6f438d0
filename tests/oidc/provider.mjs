// The development OpenID provider: a certified implementation (oidc-provider) over TLS with the
// people, clients and keys of one JSON file.
//
//   node provider.mjs CONFIG.json
//
// CONFIG: { issuer, port, certificate_file, private_key_file, audience, keys_file, cookie_key,
//           access_token_seconds, people: [{login, password, name, groups}],
//           clients: [oidc client metadata + groups] }
// The signing keys are made at the first start and kept in keys_file.

import { createServer } from 'node:https';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const people = new Map(config.people.map((person) => [person.login, person]));
const clientGroups = new Map(config.clients.map((client) => [client.client_id, client.groups ?? []]));
const clients = config.clients.map(({ groups, ...metadata }) => metadata);

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (title, body) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title></head>` +
  `<body><h1>${escape(title)}</h1>${body}</body></html>`;

if (!existsSync(config.keys_file)) {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const key = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: crypto.randomUUID() };
  writeFileSync(config.keys_file, JSON.stringify({ keys: [key] }), { mode: 0o600 });
}
const jwks = JSON.parse(readFileSync(config.keys_file, 'utf8'));

const resource = {
  scope: 'cloister',
  audience: config.audience,
  accessTokenFormat: 'jwt',
  accessTokenTTL: config.access_token_seconds,
  jwt: { sign: { alg: 'ES256' } },
};

const provider = new Provider(config.issuer, {
  clients,
  jwks,
  cookies: { keys: [config.cookie_key] },
  conformIdTokenClaims: false,
  claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
  scopes: ['openid', 'offline_access', 'profile', 'groups'],
  clientBasedCORS: () => false,
  enabledJWA: {
    idTokenSigningAlgValues: ['ES256'],
  },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: {
    Session: 3600, Grant: 3600, Interaction: 600, DeviceCode: 600, IdToken: 600,
    AuthorizationCode: 60, RefreshToken: 3600, ClientCredentials: config.access_token_seconds,
  },
  findAccount(_ctx, sub) {
    const person = people.get(sub);
    if (!person) return undefined;
    return {
      accountId: sub,
      async claims() { return { sub, name: person.name, groups: person.groups }; },
    };
  },
  extraTokenClaims(_ctx, token) {
    const owner = token.accountId ? people.get(token.accountId)?.groups : clientGroups.get(token.clientId);
    return { groups: owner ?? [] };
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: false },
    rpInitiatedLogout: { enabled: true },
    deviceFlow: {
      enabled: true,
      async userCodeInputSource(ctx, form, _out, error) {
        ctx.body = page('Enter the code', `${error ? '<p>That code is not valid.</p>' : ''}${form}` +
          '<button type="submit" form="op.deviceInputForm">Continue</button>');
      },
      async userCodeConfirmSource(ctx, form, client, _device, code) {
        ctx.body = page('Confirm the device', `<p>${escape(client.clientId)}: ${escape(code)}</p>${form}` +
          '<button type="submit" form="op.deviceConfirmForm">Confirm</button>');
      },
      async successSource(ctx) { ctx.body = page('Signed in', '<p>You may go back to your terminal.</p>'); },
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => config.audience,
      useGrantedResource: () => true,
      getResourceServerInfo(_ctx, indicator) {
        if (indicator !== config.audience) throw new Error('unknown resource');
        return resource;
      },
    },
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
});

const field = (body, name) => new URLSearchParams(body).get(name) ?? '';

async function readBody(request) {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > 10_000) throw new Error('form too long');
  }
  return body;
}

function show(details, response, failed) {
  const action = `/interaction/${details.uid}`;
  response.setHeader('content-type', 'text/html; charset=utf-8');
  if (details.prompt.name === 'login') {
    response.statusCode = failed ? 401 : 200;
    response.end(page('Sign in', `${failed ? '<p>Wrong name or password.</p>' : ''}` +
      `<form method="post" action="${action}"><input name="login" autocomplete="username">` +
      '<input name="password" type="password" autocomplete="current-password">' +
      '<button type="submit">Sign in</button></form>'));
  } else {
    response.end(page('Allow access', `<p>${escape(details.params.client_id)}</p>` +
      `<form method="post" action="${action}"><button type="submit">Allow</button></form>`));
  }
}

async function grantFor(details) {
  const { accountId } = details.session;
  const grant = details.grantId
    ? await provider.Grant.find(details.grantId)
    : new provider.Grant({ accountId, clientId: details.params.client_id });
  const missing = details.prompt.details;
  if (missing.missingOIDCScope) grant.addOIDCScope(missing.missingOIDCScope.join(' '));
  if (missing.missingOIDCClaims) grant.addOIDCClaims(missing.missingOIDCClaims);
  grant.addResourceScope(config.audience, 'cloister');
  for (const [indicator, scopes] of Object.entries(missing.missingResourceScopes ?? {})) {
    grant.addResourceScope(indicator, scopes.join(' '));
  }
  return grant.save();
}

async function interact(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (request.method === 'GET') return show(details, response, false);
  if (details.prompt.name === 'login') {
    const body = await readBody(request);
    const person = people.get(field(body, 'login'));
    if (!person || person.password !== field(body, 'password')) return show(details, response, true);
    const result = { login: { accountId: person.login } };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  const result = { consent: { grantId: await grantFor(details) } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

const handle = provider.callback();
const tls = { key: readFileSync(config.private_key_file), cert: readFileSync(config.certificate_file) };
const server = createServer(tls, (request, response) => {
  if (!request.url.startsWith('/interaction/')) return handle(request, response);
  return interact(request, response).catch((error) => {
    response.statusCode = 400;
    response.end(page('This sign-in cannot go on', `<p>${escape(error.message)}</p>`));
  });
});
server.listen(config.port, '127.0.0.1', () => console.log('ready'));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
