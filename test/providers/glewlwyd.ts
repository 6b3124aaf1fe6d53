import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { findClosedPort } from '../helpers/closed-port.ts'
import { clientSecret, type Browser } from '../helpers/openid-provider.ts'

/* Glewlwyd, an identity provider in C: configured from nothing through its API, as its administrator would do in the browser. */

const schema = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3'
const password = 'password'

export interface Glewlwyd {
  issuer: string
  /** Follows a sign-in to the page of Glewlwyd, does there what its script does for a user, and goes on until `until` or the end. */
  signIn (browser: Browser, address: string, username: string, options?: { until?: (url: string) => boolean }): Promise<{ url: string, response: Response }>
  /** Ends the session of the browser, of which Glewlwyd tells the clients. */
  signOut (browser: Browser, sid: string): Promise<number>
}

/** Starts Glewlwyd for a gateway at an origin, with the users named. */
export async function startGlewlwyd (t: Pick<Test, 'teardown'>, { origin, users }: { origin: string, users: string[] }): Promise<Glewlwyd> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-glewlwyd-'))
  const port = await findClosedPort()
  const url = `http://localhost:${port}`
  const db = new DatabaseSync(join(folder, 'glewlwyd.db'))
  db.exec(await readFile(schema, 'utf8'))
  db.close()
  await writeFile(join(folder, 'glewlwyd.conf'), await configuration({ folder, port, url }))
  const child = spawn('glewlwyd', ['-c', join(folder, 'glewlwyd.conf')], { stdio: ['ignore', 'ignore', 'inherit'] })
  t.teardown(async () => {
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  for (let tries = 0; tries < 100; tries++) {
    if (await fetch(`${url}/config`).then(() => true, () => false)) break
    await delay(50)
  }
  const call = caller(url)
  await call('POST', '/api/auth', { username: 'admin', password })
  const issuer = `${url}/api/oidc`
  await call('POST', '/api/mod/plugin', { module: 'oidc', name: 'oidc', display_name: 'oidc', order_rank: 1, enabled: true, parameters: plugin(issuer) })
  await call('POST', '/api/client', {
    client_id: 'portcullis',
    name: 'portcullis',
    confidential: true,
    enabled: true,
    password: clientSecret,
    redirect_uri: [`${origin}/auth/callback/corp`],
    authorization_type: ['code'],
    token_endpoint_auth_method: ['client_secret_basic', 'client_secret_post'],
    scope: ['openid'],
    post_logout_redirect_uri: `${origin}/auth/sign-in?signed_out`,
    backchannel_logout_uri: `${origin}/auth/backchannel-logout/corp`,
    backchannel_logout_session_required: 'true'
  })
  // Otherwise a session at Glewlwyd is enough, and `amr` is "session".
  await call('PUT', '/api/scope/openid', { name: 'openid', display_name: 'openid', password_required: true, password_max_age: 0, scheme: {}, scheme_required: {} })
  for (const username of users) await call('POST', '/api/user', { username, name: username, email: `${username}@example.com`, password, scope: ['openid', 'g_profile'], enabled: true })

  return {
    issuer,
    async signIn (browser, address, username, options = {}) {
      let shown = await browser.follow(address, options)
      // A gateway may ask a second time, with prompt=login.
      for (let times = 0; times < 2 && new URL(shown.url).pathname === '/login.html'; times++) {
        await ofBrowser(browser, url, 'POST', '/api/auth', { username, password })
        await ofBrowser(browser, url, 'PUT', '/api/auth/grant/portcullis', { scope: 'openid' })
        shown = await browser.follow(`${new URL(shown.url).searchParams.get('callback_url')}&g_continue`, options)
      }
      return shown
    },
    signOut: async (browser, sid) => (await browser.request(`${issuer}/session/${sid}`, { method: 'DELETE' })).status
  }
}

async function ofBrowser (browser: Browser, url: string, method: string, path: string, body: object): Promise<void> {
  const answer = await browser.request(url + path, { method, json: body })
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
}

/** Returns a function that calls the API with the cookie of the administrator. */
function caller (url: string) {
  let cookie = ''
  return async (method: string, path: string, body: object): Promise<void> => {
    const answer = await fetch(url + path, { method, headers: { 'content-type': 'application/json', cookie }, body: JSON.stringify(body) })
    cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  }
}

function plugin (issuer: string): object {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
  return {
    iss: issuer,
    'jwt-type': 'rsa',
    'jwt-key-size': '256',
    key: privateKey,
    cert: publicKey,
    'access-token-duration': 600,
    'refresh-token-duration': 3600,
    'code-duration': 60,
    'refresh-token-rolling': true,
    'auth-type-code-enabled': true,
    'auth-type-token-enabled': false,
    'auth-type-id-token-enabled': false,
    'auth-type-none-enabled': false,
    'auth-type-password-enabled': false,
    'auth-type-client-enabled': false,
    'auth-type-refresh-enabled': false,
    'pkce-allowed': true,
    'allow-non-oidc': true,
    'allowed-scope': ['openid'],
    'jwks-show': true,
    'subject-type': 'public',
    'name-claim': 'mandatory',
    'email-claim': 'mandatory',
    'session-management-allowed': true,
    'session-cookie-name': 'GLEWLWYD2_OIDC_SESSION',
    'session-cookie-expiration': 3600,
    'back-channel-logout-allowed': true,
    'front-channel-logout-allowed': false,
    'oauth-as-iss-id': true
  }
}

/** Returns the configuration of the package, changed for this folder and port. */
async function configuration ({ folder, port, url }: { folder: string, port: number, url: string }): Promise<string> {
  const given = await readFile('/etc/glewlwyd/glewlwyd.conf', 'utf8')
  return given
    .replace(/^port=.*$/m, `port=${port}`)
    .replace(/^external_url=.*$/m, `external_url="${url}"`)
    .replace(/^log_file=.*$/m, `log_file="${folder}/glewlwyd.log"`)
    .replace(/^@include .*$/m, `database = { type = "sqlite3"; path = "${folder}/glewlwyd.db"; };`)
}
