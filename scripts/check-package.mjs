import { execFileSync, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/* Installs the package as npm would publish it into an empty folder, and uses it there as an application's author does: compiles
 * against its types, runs the result, and runs its command line. The linters of packages run last. */
const app = `import Fastify from 'fastify'
import { accessToken, authenticate, buildGateway, defineConfig, mint, serverOptions, session, type Portcullis } from 'portcullis'
import { createClient, type Session } from 'portcullis/client'
import blocklist, { type Blocklist } from 'portcullis/plugins/blocklist'
import cookies from 'portcullis/plugins/cookies'
import keys from 'portcullis/plugins/keys'
import store from 'portcullis/plugins/store'

declare module 'portcullis' {
  interface SessionData { cartId?: string }
  interface TokenClaims { plan?: 'free' | 'pro' }
}

const origin = 'http://localhost:3000'
const app = Fastify(serverOptions({ origin }))
await app.register(store, { path: 'sessions.db' })
await app.register(blocklist, { maxTokenAge: '15m' })
await app.register(cookies, { origin })
await app.register(keys, { secret: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA' })
const { blocklist: revoked, keys: signing }: Pick<Portcullis, 'blocklist' | 'keys'> = app.portcullis
const same: Blocklist = revoked
await same.revoke({ jti: 'one', expiresAt: Math.floor(Date.now() / 1000) + 60 })
await app.register(accessToken, { issuer: origin, claims: ({ data }) => ({ plan: data.cartId === undefined ? 'free' : 'pro' }) })
await app.register(session)
await app.register(authenticate, { origin })
app.post('/in', async (_request, reply) => await reply.openSession({ subject: 'ada', audiences: ['shop'], data: { cartId: 'c1' } }))
app.get('/cart', { onRequest: app.portcullis.authenticate({ audience: 'shop' }) }, async ({ identity: { sid, data, claims } }) => {
  const cartId: string | undefined = data?.cartId
  const plan: 'free' | 'pro' | undefined = claims?.plan
  return { cartId, plan, next: (await app.portcullis.session.update(sid ?? '', { ...data, cartId: 'c2' }))?.data.cartId }
})
app.get('/', async () => ({ one: revoked.isRevoked({ jti: 'one' }), two: revoked.isRevoked({ jti: 'two' }), keys: signing.jwks().keys.length }))
console.log((await app.inject('/')).body)
const signedIn = Object.fromEntries((await app.inject({ method: 'POST', url: '/in' })).cookies.map(({ name, value }) => [name, value]))
console.log((await app.inject({ url: '/cart', cookies: signedIn })).body)
await app.close()

// @ts-expect-error: data and claims have the types that are declared above.
void (() => app.portcullis.session.update('sid', { cartId: 1 }))
// @ts-expect-error
void (() => app.register(mint, { claims: () => ({ plan: 'gold' }) }))
// @ts-expect-error: the types are there, so a wrong option is an error.
void (() => app.register(authenticate, { origin: 1 }))

void ((): Promise<Session | null> => createClient({ mode: 'tokens', onStepUp: ({ stepUp }) => stepUp({ password: '' }) }).session())

const gateway = await buildGateway(defineConfig({ origin, store: { type: 'sqlite', path: 'gateway.db' }, identity: async ({ username }) => username, pages: true, log: { level: 'silent' } }))
const answer = await gateway.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'any' } })
console.log(answer.statusCode, (await gateway.inject('/auth/sign-in')).statusCode)
await gateway.close()
`
const compilerOptions = { module: 'nodenext', target: 'es2023', strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, types: ['node'] }
const config = `origin: http://localhost:8080
identity: { type: users, file: ./users.json }
upstreams: [{ prefix: /orders, target: http://127.0.0.1:3001, audience: orders }]
`

const project = join(import.meta.dirname, '..')
const folder = await mkdtemp(join(tmpdir(), 'portcullis-package-'))
const consumer = join(folder, 'consumer')

try {
  const tarball = await step('npm pack', () => join(folder, run('npm', ['pack', '--silent', '--pack-destination', folder], project).trim().split('\n').at(-1)))
  await mkdir(consumer)
  const { devDependencies } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))
  await writeFile(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  const tools = ['typescript', '@types/node'].map(name => `${name}@${devDependencies[name]}`)
  await step('npm install of the package in an empty folder', () => run('npm', ['install', '--silent', '--no-audit', '--no-fund', tarball, 'fastify', ...tools]))
  await step('every script of the Redis store is in the package', async () => expect(await luaOf(join(consumer, 'node_modules', 'portcullis', 'dist')), await luaOf(project)))
  await writeFile(join(consumer, 'app.ts'), app)
  await writeFile(join(consumer, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.ts'] }))
  await step('tsc with every declaration checked', () => run('node_modules/.bin/tsc', []))
  await step('the compiled application runs on the embedded store', () => expect(run('node', ['app.js']), '{"one":true,"two":false,"keys":1}\n{"cartId":"c1","next":"c2"}\n200 200\n'))
  await writeFile(join(consumer, 'gateway.yaml'), config)
  await step('npx portcullis users add', () => run('npx', ['--no-install', 'portcullis', 'users', 'add', 'ada', '--file', 'users.json'], consumer, `${randomUUID()}\n`))
  await step('npx portcullis check', () => expectLine(run('npx', ['--no-install', 'portcullis', 'check', '--config', 'gateway.yaml']), '/orders → http://127.0.0.1:3001'))
  await step('npm publish has nothing to correct', () => expect(correctionsOfPublish(), ''))
  await step('publint', () => run('publint', ['run', tarball, '--strict'], project))
  await step('attw', () => run('attw', [tarball, '--profile', 'esm-only'], project))
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function step (name, work) {
  try {
    const result = await work()
    console.log(`ok - ${name}`)
    return result
  } catch (error) {
    console.error(`not ok - ${name}\n${error.stdout ?? ''}${error.stderr ?? ''}${error.stdout === undefined ? error.message : ''}`)
    process.exitCode = 1
    throw new Error(`${name} failed`)
  }
}

function run (command, args, cwd = consumer, input = '') {
  return execFileSync(command, args, { cwd, input, encoding: 'utf8', stdio: 'pipe' })
}

/** Returns what npm would change in the package, or misses in it. */
function correctionsOfPublish () {
  const { stderr } = spawnSync('npm', ['publish', '--dry-run', '--ignore-scripts'], { cwd: project, encoding: 'utf8' })
  return stderr.split('\n').filter(line => line.startsWith('npm warn') && !line.includes('logged in')).join('\n')
}

async function luaOf (root) {
  const files = await readdir(join(root, 'stores', 'redis'), { recursive: true })
  return files.filter(file => file.endsWith('.lua')).sort().join(' ')
}

function expect (output, expected) {
  if (output !== expected) throw new Error(`printed ${JSON.stringify(output)} instead of ${JSON.stringify(expected)}`)
}

function expectLine (output, start) {
  if (!output.split('\n').some(line => line.startsWith(start))) throw new Error(`printed ${JSON.stringify(output)}, no line of which starts with ${start}`)
}
