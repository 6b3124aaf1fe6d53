import { execFile } from 'node:child_process'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { findClosedPort } from '../helpers/closed-port.ts'
import { cookieFrom, navigation, open, submit } from '../helpers/forms.ts'
import { makeFolder, runWell, startServer } from './behind.ts'

/* Recipes that have a package.json, each in an empty folder, with the package as npm would publish it. */

t.setTimeout(600_000)

const root = fileURLToPath(new URL('../..', import.meta.url))
// npm needs the machine's configuration of registries and certificates.
const env = { ...process.env as Record<string, string>, PATH: `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}` }
const packages = await makeFolder(t)
const { stdout } = await promisify(execFile)('npm', ['pack', '--json', '--pack-destination', packages], { cwd: root, env, maxBuffer: 1e8 })
const [packed] = Object.values(JSON.parse(stdout.slice(stdout.search(/^[[{]$/m))) as Record<string, { filename: string }>)

/** Copies a recipe to an empty folder, and installs its packages. Resolves to the folder and the port at which the application listens. */
async function prepare (t: Test, name: string, file: string): Promise<{ folder: string, port: number }> {
  const [folder, port] = [await makeFolder(t), await findClosedPort()]
  await cp(join(root, 'examples', 'recipes', name), folder, { recursive: true })
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
  manifest.dependencies['portcullis'] = `file:${join(packages, packed!.filename)}`
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
  for (const edited of [file, 'package.json']) await writeFile(join(folder, edited), (await readFile(join(folder, edited), 'utf8')).replaceAll('3000', String(port)))
  await runWell(t, folder, ['npm', 'install', '--no-audit', '--no-fund'], env)
  return { folder, port }
}

t.test('a guard of Nest admits requests by the requirements of their handler', async t => {
  const { folder, port } = await prepare(t, 'nest', join('src', 'main.ts'))
  await runWell(t, folder, ['npm', 'run', 'build'], env)
  await startServer(t, port, [process.execPath, 'dist/main.js'], { cwd: folder, env })
  const url = `http://localhost:${port}`
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => await fetch(`${url}${path}`, init)

  const refused = await ask('/orders')
  t.equal(refused.status, 401)
  t.match(refused.headers.get('www-authenticate'), 'Bearer')
  t.match(await refused.json(), { code: 'PTC_ERR_CREDENTIALS_MISSING' })
  const signedIn = await ask('/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'ada', password: 'open-the-gate' }) })
  const headers = { cookie: cookieFrom(signedIn, 'portcullis') }
  t.same(await (await ask('/orders', { headers })).json(), { orders: [], of: 'ada' })
  t.equal((await ask('/orders/1', { method: 'DELETE', headers })).status, 204)
  t.equal((await ask('/orders/1', { method: 'DELETE', headers: { ...headers, origin: 'https://evil.example' } })).status, 403)
  t.equal((await ask('/nothing', { headers })).status, 404, 'the application answers to what has no route')
  t.equal((await ask('/auth/logout', { method: 'POST', headers })).status, 204)
  t.equal((await ask('/orders', { headers })).status, 401)
})

t.test('fastify-cli starts an application whose plugins and routes @fastify/autoload finds', async t => {
  const { folder, port } = await prepare(t, 'autoload', join('plugins', 'portcullis.js'))
  await writeFile(join(folder, 'app.js'), (await readFile(join(folder, 'app.js'), 'utf8')).replaceAll('3000', String(port)))
  await startServer(t, port, ['npm', 'start'], { cwd: folder, env })
  const url = `http://localhost:${port}`

  t.equal((await open(`${url}/orders`)).status, 401)
  const signedIn = await submit(`${url}/auth/sign-in`, { username: 'ada', password: 'open-the-gate' }, { ...navigation, origin: url })
  t.same(await (await open(`${url}/orders`, { cookie: cookieFrom(signedIn, 'portcullis') })).json(), { orders: [], of: 'ada' })
})
