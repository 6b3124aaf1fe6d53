import { execFileSync, spawn } from 'node:child_process'
import { createPublicKey, verify } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/* Starts the demo as README describes, on a free port, and checks it from outside: the commands that it prints are pasted into a
 * shell, and the rest uses HTTP. Prints one line a check; exits with 1 when one failed. */
const project = join(import.meta.dirname, '..')
const port = await freePort()
const origin = `http://localhost:${port}`
/** The time after which an event counts as missing, in milliseconds: far beyond what a busy machine needs. */
const patienceMs = 120_000

// The demo has a separate process group, so that npm and its child processes can be ended together.
const demo = spawn('npm', ['start', '--', '--port', String(port)], { cwd: project, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
const ended = once(demo, 'exit')
let printed = ''
demo.stdout.setEncoding('utf8').on('data', text => { printed += text })

try {
  await check('npm start prints the address, the user and three curl lines', async () => {
    await until(() => curlLines().length === 3)
    includes(printed, `portcullis listening on ${origin}`)
    includes(printed, 'demo')
  })
  await walkAsBrowser()
  await walkAsApplication()
  await walkAsStranger()
} finally {
  await check('SIGTERM ends the demo', async () => {
    process.kill(-demo.pid, 'SIGTERM')
    await Promise.race([ended, sleep(patienceMs, null, { ref: false }).then(() => { throw new Error(`still there after ${patienceMs} ms`) })])
    await until(async () => await fetch(origin).then(() => false, () => true))
  })
  // Processes of the group that ignored the first signal are killed.
  try { process.kill(-demo.pid, 'SIGKILL') } catch {}
}

async function walkAsBrowser () {
  const [signIn, call, signOut] = curlLines()
  await check('the first line signs in', () => equal(JSON.parse(paste(signIn)).session.subject, 'demo'))
  await check('the second line reaches a service, which is told who it is', () => {
    const { upstream, path, claims, headers } = JSON.parse(paste(call))
    equal([upstream, path, claims.iss, claims.aud, claims.sub, headers.cookie], ['orders', '/orders/42', origin, 'orders', 'demo', undefined])
  })
  await check('the third line signs out', () => equal(paste(signOut), ''))
  await check('then the second line is refused', () => equal(JSON.parse(paste(call)).code, 'PTC_ERR_SESSION_INVALID'))
}

async function walkAsApplication () {
  const signedIn = await post('/auth/login', { body: { ...user(), mode: 'tokens' } })
  const first = await tokens(signedIn)
  await check('tokens mode gives an access token and a refresh cookie', () => equal([signedIn.status, first.token.split('.').length, first.cookie.startsWith('portcullis-refresh=')], [200, 3, true]))
  await check('the access token is signed by a key of the JWKS', async () => {
    const { keys } = await (await fetch(`${origin}/.well-known/jwks.json`)).json()
    const [header, claims, signature] = first.token.split('.')
    const { kid, alg, typ } = JSON.parse(Buffer.from(header, 'base64url').toString())
    equal([alg, typ], ['ES256', 'at+jwt'])
    const key = createPublicKey({ key: keys.find(candidate => candidate.kid === kid), format: 'jwk' })
    equal(verify('sha256', Buffer.from(`${header}.${claims}`), { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')), true)
    equal(keys.some(candidate => 'd' in candidate), false)
  })
  await check('the access token opens a service, and headers that claim to be someone do not reach it', async () => {
    const response = await fetch(`${origin}/billing/invoices`, { headers: { ...bearer(first), 'x-auth-subject': 'admin' } })
    const { claims, headers } = await response.json()
    equal([response.status, claims.aud, claims.sub, headers['x-auth-subject']], [200, 'billing', 'demo', undefined])
  })
  const second = await tokens(await refresh(first))
  await check('a refresh gives the next access token and the next cookie', () => equal([second.token === first.token, second.cookie === first.cookie, second.cookie !== ''], [false, false, true]))
  await check('a refresh whose answer was lost can be repeated', async () => equal((await tokens(await refresh(first))).cookie, second.cookie))
  await check('logout is answered 204', async () => equal((await post('/auth/logout', { headers: { cookie: second.cookie } })).status, 204))
  await check('after logout the access tokens are refused', async () => {
    for (const signedOut of [first, second]) await problem(await fetch(`${origin}/orders`, { headers: bearer(signedOut) }), 401, 'PTC_ERR_TOKEN_INVALID')
  })
  await check('after logout the refresh token is refused, and no cookie is touched', async () => {
    const response = await refresh(second)
    equal(response.headers.getSetCookie(), [])
    await problem(response, 401, 'PTC_ERR_REFRESH_REFUSED')
  })
}

async function walkAsStranger () {
  await check('a wrong password is refused', async () => await problem(await post('/auth/login', { body: { ...user(), password: 'wrong' } }), 401, 'PTC_ERR_LOGIN_REFUSED'))
  await check('whoever presents nothing is challenged', async () => {
    const response = await fetch(`${origin}/orders`)
    includes(response.headers.get('www-authenticate'), 'Bearer')
    await problem(response, 401, 'PTC_ERR_CREDENTIALS_MISSING')
  })
  await check('another site cannot sign in', async () => await problem(await post('/auth/login', { body: user(), headers: { 'sec-fetch-site': 'cross-site' } }), 403, 'PTC_ERR_CSRF_REFUSED'))
  await check('a path that can be read in two ways is refused', async () => await problem(await fetch(`${origin}/orders/%2e%2e%2fbilling`), 400, 'PTC_ERR_PATH_REFUSED'))
  await check('what nobody serves is not found', async () => await problem(await fetch(`${origin}/auth/nothing`), 404, 'PTC_ERR_NOT_FOUND'))
}

function curlLines () {
  return printed.split('\n').map(line => line.trim()).filter(line => line.startsWith('curl '))
}

function user () {
  return { username: /user +(\S+)/.exec(printed)?.[1], password: /password +(\S+)/.exec(printed)?.[1] }
}

function paste (line) {
  return execFileSync('bash', ['-c', line], { cwd: project, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

async function post (path, { body, headers = {} }) {
  return await fetch(`${origin}${path}`, { method: 'POST', headers: { ...body === undefined ? {} : { 'content-type': 'application/json' }, ...headers }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
}

async function refresh ({ cookie }) {
  return await post('/auth/refresh', { headers: { cookie } })
}

async function tokens (response) {
  const [cookie = ''] = response.headers.getSetCookie().map(line => line.split(';')[0])
  return { token: (await response.json()).access_token ?? '', cookie }
}

function bearer ({ token }) {
  return { authorization: `Bearer ${token}` }
}

async function problem (response, status, code) {
  const body = await response.json()
  equal([response.status, response.headers.get('content-type')?.split(';')[0], body.code], [status, 'application/problem+json', code])
}

async function check (name, work) {
  try {
    await work()
    console.log(`ok - ${name}`)
  } catch (error) {
    console.log(`not ok - ${name}: ${error.message}`)
    process.exitCode = 1
  }
}

function equal (actual, expected) {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`)
}

function includes (text, part) {
  if (!text?.includes(part)) throw new Error(`${JSON.stringify(text)} does not include ${part}`)
}

async function until (condition) {
  const endsAt = Date.now() + patienceMs
  while (!await condition()) {
    if (Date.now() > endsAt || demo.exitCode > 0) throw new Error('it did not happen in time')
    await sleep(50)
  }
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}
