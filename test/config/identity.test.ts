import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { describeConfig } from '../../config/describe.ts'
import { readFiles } from '../../config/files.ts'
import { lintConfig } from '../../config/lint.ts'
import { checkConfig } from '../../config/load.ts'
import { ConfigInvalidError } from '../../lib/errors.ts'

/* Sources of users in a configuration. */

const users = { type: 'users', file: './users.json' }
const corp = { type: 'oidc', name: 'corp', issuer: 'https://idp.example.com', clientId: 'portcullis', clientSecret: randomUUID() }
const partners = { ...corp, name: 'partners', issuer: 'https://login.example.net' }
const idp = { name: 'idp', issuer: 'https://tokens.example.com', jwks: './jwks.json', algorithms: ['RS256'] }
const sound = { origin: 'https://app.example.com', pages: true, listen: { trustProxy: ['10.0.0.1'] } }
const at = { directory: '/etc/portcullis', env: {} }

const load = (identity: unknown, more: object = {}) => checkConfig({ ...sound, identity, ...more }, at)

function linesOf (identity: unknown, more: object = {}): string[] {
  try {
    load(identity, more)
  } catch (error) {
    if (error instanceof ConfigInvalidError) return error.message.split('\n')
    throw error
  }
  return []
}

t.test('identity is one source or a list of them', async t => {
  const secret = corp.clientSecret
  const verify = async () => null
  t.match(load(users), { identity: { file: '/etc/portcullis/users.json' }, providers: [] })
  t.equal(load([verify]).identity, verify)
  t.match(load(corp), { identity: null, providers: [{ name: 'corp', scopes: ['openid', 'profile', 'email'], clientSecret: secret, grant: [], claims: [], sessionExpiry: 'honour', privateKey: null }] })
  const both = load([corp, users, { ...partners, clientSecret: undefined, privateKey: './key.pem', maxAge: '8h' }])
  t.match(both, { identity: { file: '/etc/portcullis/users.json' }, providers: [{ name: 'corp' }, { name: 'partners', privateKey: '/etc/portcullis/key.pem', clientSecret: null, maxAgeMs: 28_800_000 }] })
  t.equal(load([corp, verify]).identity, verify)
})

t.test('what is inserted into a client secret is inserted in a list too', async t => {
  const config = checkConfig({ ...sound, identity: [users, { ...corp, clientSecret: '${OIDC_SECRET}' }] }, { directory: '/', env: { OIDC_SECRET: corp.clientSecret } }) // eslint-disable-line no-template-curly-in-string
  t.equal(config.providers[0]!.clientSecret, corp.clientSecret)
  const folder = t.testdir({ 'secret.txt': `${corp.clientSecret}\n` })
  await chmod(join(folder, 'secret.txt'), 0o644)
  const fromFile = checkConfig({ ...sound, identity: { ...corp, clientSecret: '${file:secret.txt}' } }, { directory: folder, env: {} }) // eslint-disable-line no-template-curly-in-string
  t.equal(fromFile.providers[0]!.clientSecret, corp.clientSecret)
  t.same(fromFile.textFiles.map(({ setting }) => setting), ['identity.clientSecret'])
})

const misconfigurations: Array<[reason: string, identity: unknown, line: string | RegExp, more?: object]> = [
  ['no source', [], 'identity: has too few entries; add one'],
  ['a list in a list', [[corp]], 'identity[0]: must be a file of users, an identity provider, or a function'],
  ['two files of users', [users, { ...users, file: 'b' }], 'identity[1]: is a second source of passwords; keep one file of users or function'],
  ['a function beside a file', [users, corp, async () => null], 'identity[2]: is a second source of passwords; keep one file of users or function'],
  ['two providers of one name', [corp, { ...partners, name: 'corp' }], 'identity[1].name: is that of identity[0] too, so two people could be one subject; choose another'],
  ['one client under two names', [corp, { ...corp, name: 'again' }], 'identity[1].clientId: is that of identity[0] at the same issuer too, which sends a logout to one of the two alone; register a client for each, or remove one'],
  ['the name of an issuer', [users, { ...corp, name: 'idp' }], 'identity[1].name: is that of issuers[0] too, so two people could be one subject; choose another', { issuers: [idp] }],
  ['a provider without a credential', { ...corp, clientSecret: undefined }, /^identity\.clientSecret: is required, or privateKey; register the gateway as a confidential client/],
  ['a provider with two credentials', [{ ...corp, privateKey: 'key.pem' }], 'identity[0].privateKey: cannot be set together with clientSecret; remove one of them'],
  ['an empty secret', { ...corp, clientSecret: '' }, 'identity.clientSecret: must not be empty'],
  ['a misspelt setting', { ...corp, isuer: 'https://idp.example.com', issuer: undefined }, 'identity.isuer: unknown setting; did you mean "issuer"?'],
  ['a misspelt setting in a list', [users, { ...corp, scope: ['openid'] }], 'identity[1].scope: unknown setting; did you mean "scopes"?'],
  ['a misspelt line of grant', { ...corp, grant: [{ scope: ['a'] }] }, 'identity.grant[0].scope: unknown setting; did you mean "scopes"?'],
  ['a misspelt setting of the strength', { ...corp, acr: { value: ['2'] } }, 'identity.acr.value: unknown setting; did you mean "values"?'],
  ['a scope with a blank', { ...corp, grant: [{ scopes: ['a b'] }] }, /^identity\.grant\[0\]\.scopes\[0\]: must be one scope/],
  ['a line of grant without a value', { ...corp, grant: [{ claim: 'groups', scopes: ['a'] }] }, 'identity.grant[0].value: is required with claim; add it, or remove claim'],
  ['a line of grant without a claim', { ...corp, grant: [{ value: 'staff', scopes: ['a'] }] }, 'identity.grant[0].claim: is required with value; add it, or remove value'],
  ['a condition without a value', { ...corp, allow: { claim: 'groups' } }, 'identity.allow.value: is required; add value: staff'],
  ['scopes without openid', { ...corp, scopes: ['profile'] }, 'identity.scopes: must contain openid, or the provider states no identity; add it'],
  ['a name with the separator of subjects', { ...corp, name: 'a|b' }, /^identity\.name: must be 1 to 64 letters, digits/],
  ['a name with a slash', { ...corp, name: 'a/b' }, /^identity\.name: must be 1 to 64 letters, digits/],
  ['a provider in the clear', { ...corp, issuer: 'http://idp.example.com' }, /^identity\.issuer: must be an https address/],
  ['an issuer with a query', { ...corp, issuer: 'https://idp.example.com/?a' }, /^identity\.issuer: must have no query/],
  ['a silent prompt', { ...corp, prompt: 'none' }, 'identity.prompt: must be login, consent, or select_account'],
  ['a misspelt word', { ...corp, sessionExpiry: 'honor' }, 'identity.sessionExpiry: must be honour or ignore; did you mean honour?'],
  ['a misspelt type', [{ ...corp, type: 'oicd' }], 'identity[0].type: is not known; write users or oidc (did you mean oidc?)'],
  ['a provider without a type', { ...corp, type: undefined }, 'identity.type: is required; write users or oidc'],
  ['a list of providers in a group', { type: 'oidc', providers: [corp] }, 'identity.name: is required; add name: corp']
]

t.test('every wrong source is one line that names the setting and the fix, and none tells a secret', async t => {
  for (const [reason, identity, line, more] of misconfigurations) {
    const lines = linesOf(identity, more)
    if (line instanceof RegExp) t.match(lines[0], line, reason)
    else t.equal(lines[0], line, reason)
    t.notMatch(lines.join('\n'), corp.clientSecret, reason)
  }
})

t.test('the key of a client is read and checked', async t => {
  const folder = t.testdir({})
  await mkdir(join(folder, 'folder'))
  const { privateKey: ec, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { privateKey: small } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const { privateKey: other } = generateKeyPairSync('ed25519')
  const pem = (key: typeof ec): string => String(key.export({ type: 'pkcs8', format: 'pem' }))
  await Promise.all(Object.entries({ good: pem(ec), small: pem(small), other: pem(other), public: String(publicKey.export({ type: 'spki', format: 'pem' })), text: 'zebra', readable: pem(ec) })
    .map(async ([name, text]) => { await writeFile(join(folder, `${name}.pem`), text, { mode: name === 'readable' ? 0o644 : 0o600 }) }))
  const read = async (file: string) => await readFiles(checkConfig({ ...sound, identity: { ...corp, clientSecret: undefined, privateKey: file } }, { directory: folder, env: {} }), { store: false })

  t.same((await read('good.pem')).warnings, [])
  t.match((await read('readable.pem')).warnings, [/^identity\.privateKey: /], 'other users can read it')
  for (const file of ['small.pem', 'other.pem', 'public.pem', 'text.pem', 'missing.pem', 'folder']) {
    await t.rejects(read(file), { code: 'PTC_ERR_CONFIG_INVALID', message: /^identity\.privateKey: .+; name a PEM file/ }, file)
    await t.resolves(read(file).catch((error: Error) => { t.notMatch(error.message, 'zebra') }))
  }
})

const doubtful: Array<[reason: string, identity: unknown, more: object, ...settings: string[]]> = [
  ['a sound provider', corp, {}],
  ['a provider beside users, without pages', [users, corp], { pages: false }],
  ['a provider alone, without pages', corp, { pages: false }, 'pages'],
  ['a provider on this machine', { ...corp, issuer: 'http://localhost:9000' }, {}, 'identity.issuer'],
  ['an address that nobody has verified', { ...corp, allow: { claim: 'email', value: 'ada@example.com' } }, {}, 'identity.allow'],
  ['an address that nobody has verified, for scopes', { ...corp, grant: [{ claim: 'email', value: 'ada@example.com', scopes: ['a'] }] }, {}, 'identity.grant'],
  ['the domain of a verified address', { ...corp, allow: { claim: 'email_domain', value: 'example.com' } }, {}]
]

t.test('what deserves a second look at a provider is a warning', async t => {
  for (const [reason, identity, more, ...settings] of doubtful) {
    const lines = lintConfig(load(identity, more))
    t.equal(lines.length, settings.length, reason)
    settings.forEach((setting, index) => { t.ok(lines[index]!.startsWith(`${setting}: `), `${reason}: ${lines[index]}`) })
  }
})

t.test('a scope that no grant gives is a warning, unless the users of a function may have it', async t => {
  const upstreams = [{ prefix: '/orders', target: 'http://127.0.0.1:3001', audience: 'orders', scopes: ['orders:read'] }]
  const warned = (identity: unknown, stored: Array<{ username: string, password: string, scopes: string[] }> | null = null) => lintConfig(load(identity, { upstreams }), stored).map(line => line.replace(/,.*; /s, '; '))
  const granting = { ...corp, grant: [{ claim: 'groups', value: 'staff', scopes: ['orders:read'] }] }
  const ada = { username: 'ada', password: '', scopes: ['orders:read'] }

  t.same(warned(granting), [])
  t.same(warned([corp, { ...partners, grant: granting.grant }]), [])
  t.match(warned(corp), [/^upstreams\[0\]\.scopes: no user; give it with: a line of grant$/])
  t.match(warned([users, corp], []), [/^upstreams\[0\]\.scopes: .*portcullis users add <name> --scopes, or a line of grant$/])
  t.same(warned([users, corp], [ada]), [])
  t.same(warned([async () => null, corp]), [])
})

t.test('check prints what has to be registered at a provider', async t => {
  const linesOf = (more: object) => describeConfig(load({ ...corp, claims: ['email', 'groups'], grant: [{ scopes: ['a'] }, { claim: 'groups', value: 'admins', scopes: ['b', 'c'] }], allow: { claim: 'email_domain', value: 'example.com' } }, more)).join('\n')
  const described = linesOf({})
  for (const line of [
    'corp → https://idp.example.com',
    '  client         portcullis, with a secret',
    '  redirect       https://app.example.com/auth/callback/corp',
    '  logout         https://app.example.com/auth/backchannel-logout/corp',
    '  after logout   https://app.example.com/auth/sign-in?signed_out',
    '  allows         email_domain example.com',
    '  scopes         a, b c (groups admins)',
    '  keeps          email groups'
  ]) t.ok(described.includes(`\n${line}\n`), line)
  t.ok(linesOf({ pages: false }).includes('\n  after logout   https://app.example.com/\n'))
  t.notMatch(described, corp.clientSecret)
})
