import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { signIn } from '../helpers/build-gateway.ts'
import { createNpmClient, startNpmRegistry, type NpmClient, type NpmRegistry } from '../helpers/npm-registry.ts'
import { startPortcullis, writeConfig } from '../helpers/portcullis.ts'
import { findClosedPort } from '../helpers/closed-port.ts'

/*
 * A registry of npm packages has accounts and tokens of its own. Behind the gateway its clients go on as before: their
 * Authorization is for the registry, bodies of many megabytes go through in both directions as they are, and the registry's
 * refusals come back as it made them.
 */

interface Setup { url: string, registryUrl: string, direct: string, registry: NpmRegistry, npm: NpmClient }

async function start (t: Test): Promise<Setup> {
  const port = await findClosedPort()
  const direct = `http://127.0.0.1:${port}/`
  const { config } = await writeConfig(t, {
    upstreams: [{ prefix: '/npm', target: direct, rewritePrefix: '/', access: 'public', authorization: 'keep', forward: 'headers' }]
  })
  const { url } = await startPortcullis(t, config)
  const registryUrl = `${url}/npm/`
  const registry = await startNpmRegistry(t, { port, publicUrl: registryUrl })
  return { url, registryUrl, direct, registry, npm: await createNpmClient(t, 'home', registryUrl) }
}

const account: Array<[string, string]> = [['Username: ', 'grace'], ['Password: ', 'pass phrase of grace']]
const newAccount: Array<[string, string]> = [...account, ['Email (this will be public): ', 'grace@example.com']]

async function assertRuns (t: Test, npm: NpmClient, folder: string, args: string[], answers: Array<[string, string]> = []): Promise<string> {
  const { code, stdout, stderr } = await npm.run(folder, args, [...answers])
  t.equal(code, 0, `npm ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** A folder with a package; `files` by their names. */
async function writePackage (t: Test, folder: string, name: string, files: Record<string, Buffer> = {}): Promise<string> {
  const path = join(t.testdirName, folder)
  await mkdir(path, { recursive: true })
  await writeFile(join(path, 'package.json'), JSON.stringify({ name, version: '1.0.0', description: 'A package', license: 'MIT' }))
  for (const [file, content] of Object.entries(files)) await writeFile(join(path, file), content)
  return path
}

async function digests (folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort()
  return Object.fromEntries(await Promise.all(names.map(async name => [name, createHash('sha512').update(await readFile(join(folder, name))).digest('hex')] as const)))
}

async function tokenOf ({ userconfig }: NpmClient): Promise<string> {
  return /:_authToken=(\S+)/.exec(await readFile(userconfig, 'utf8'))?.[1] ?? ''
}

t.test('npm signs up, signs in, publishes eight megabytes and installs them elsewhere, byte for byte', async t => {
  const { npm, registryUrl, registry } = await start(t)
  const other = await createNpmClient(t, 'other-home', registryUrl)
  const megabytes = Object.fromEntries(['a.bin', 'b.bin', 'c.bin', 'd.bin'].map(name => [name, randomBytes(2 * 1024 * 1024)]))
  const published = await writePackage(t, 'published', 'heavy', megabytes)
  const project = await writePackage(t, 'project', 'project')

  await assertRuns(t, npm, published, ['adduser'], newAccount)
  t.equal(await assertRuns(t, npm, published, ['whoami']), 'grace\n')
  await assertRuns(t, npm, published, ['logout'])
  t.match(await npm.run(published, ['whoami']), { code: 1, stderr: /ENEEDAUTH/ })
  await assertRuns(t, npm, published, ['login'], account)
  await assertRuns(t, npm, published, ['publish'])

  t.match(await assertRuns(t, npm, project, ['view', 'heavy', 'dist.tarball']), `${registryUrl}heavy/-/heavy-1.0.0.tgz`)
  await assertRuns(t, other, project, ['install', 'heavy'])
  t.same(await digests(join(project, 'node_modules', 'heavy')), await digests(published))

  const put = registry.requests().find(({ method, url }) => method === 'PUT' && url === '/heavy')
  t.ok(Number(put?.headers['content-length']) > 8 * 1024 * 1024, 'it went through the registry')
})

t.test('a wrong token is refused by the registry, and its refusal comes back unchanged', async t => {
  const { npm, registryUrl, direct, registry } = await start(t)
  const folder = await writePackage(t, 'published', 'light')
  const headers = { authorization: `Bearer ${'x'.repeat(40)}`, 'content-type': 'application/json' }
  await writeFile(npm.userconfig, `${await readFile(npm.userconfig, 'utf8')}${registryUrl.replace('http:', '')}:_authToken=${'x'.repeat(40)}\n`)

  t.match(await npm.run(folder, ['whoami']), { code: 1, stderr: /ENEEDAUTH/ })
  t.match(await npm.run(folder, ['publish']), { code: 1, stderr: /E401/ })

  for (const [method, path] of [['GET', '-/whoami'], ['GET', '-/npm/v1/user'], ['GET', 'light'], ['PUT', 'light']] as const) {
    const request = { method, headers, ...method === 'PUT' ? { body: '{}' } : {} }
    const [through, own] = [await fetch(`${registryUrl}${path}`, request), await fetch(`${direct}${path}`, request)]
    t.equal(through.status, own.status, path)
    t.equal(through.headers.get('www-authenticate'), own.headers.get('www-authenticate'), path)
    t.equal(through.headers.get('content-type'), own.headers.get('content-type'), path)
    t.equal(await through.text(), await own.text(), path)
  }
  t.ok(registry.requests().some(({ method, url }) => method === 'PUT' && url === '/light'), 'the registry refused it, not the gateway')
})

t.test('the registry sees the client\'s Authorization, and never the session cookie that was sent along', async t => {
  const { npm, url, registryUrl, registry } = await start(t)
  await assertRuns(t, npm, await writePackage(t, 'project', 'project'), ['adduser'], newAccount)
  const { cookie } = await signIn(url)
  const authorization = `Bearer ${await tokenOf(npm)}`

  const both = await fetch(`${registryUrl}-/whoami`, { headers: { authorization, cookie } })
  t.match(await both.json(), { username: 'grace' })
  const others = await fetch(`${registryUrl}-/whoami?theirs`, { headers: { authorization, cookie: `${cookie}; theirs=1` } })
  t.match(await others.json(), { username: 'grace' })

  const seen = registry.requests().filter(({ url }) => url.startsWith('/-/whoami'))
  t.same(seen.map(({ headers }) => ['authorization' in headers, 'cookie' in headers, headers['x-auth-subject']]), [[true, false, 'ada'], [true, true, 'ada']])
})

t.test('a scoped package, whose name npm sends with an encoded slash, is refused before it reaches the registry', async t => {
  const { npm, registryUrl, registry } = await start(t)
  const folder = await writePackage(t, 'published', '@team/scoped')
  await assertRuns(t, npm, folder, ['adduser'], newAccount)

  t.match(await npm.run(folder, ['publish', '--access', 'public']), { code: 1, stderr: /npm error 400 Bad Request - PUT \S+\/npm\/@team%2fscoped/ })
  t.match(await npm.run(folder, ['view', '@team/scoped']), { code: 1, stderr: /npm error 400 Bad Request/ })
  t.match(await (await fetch(`${registryUrl}@team%2fscoped`)).json(), { status: 400, code: 'PTC_ERR_PATH_REFUSED' })
  t.notOk(registry.requests().some(({ url }) => url.includes('scoped')))
})
