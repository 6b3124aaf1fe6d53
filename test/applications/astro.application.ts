import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import type { ConfigInput } from '../../config/schema.ts'
import { origin, password, signIn, startGateway } from '../helpers/build-gateway.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { cookieFrom, navigation, open, submit } from '../helpers/forms.ts'
import { makeFolder, runWell, startServer } from './behind.ts'

/*
 * A site that Astro renders on its server, behind the gateway: it learns the user from a header, and its forms are those of the site that
 * browsers see. The files are those of the recipe.
 */

t.setTimeout(600_000)

const recipe = fileURLToPath(new URL('../../examples/recipes/astro', import.meta.url))

t.test('Astro renders pages for the user of the gateway, and takes the forms of its own pages', async t => {
  const folder = await makeFolder(t)
  await cp(recipe, folder, { recursive: true })
  // npm needs the machine's configuration of registries and certificates.
  const env = { ...process.env as Record<string, string>, ASTRO_TELEMETRY_DISABLED: '1', PATH: `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}` }
  await runWell(t, folder, ['npm', 'install', '--no-audit', '--no-fund'], env)
  await runWell(t, folder, ['npm', 'run', 'build'], env)
  const port = await findClosedPort()
  await startServer(t, port, [process.execPath, 'dist/server/entry.mjs'], { cwd: folder, env: { ...env, HOST: '127.0.0.1', PORT: String(port) } })

  const { pages, upstreams: [upstream] } = parse(await readFile(join(recipe, 'gateway.yaml'), 'utf8')) as { pages: boolean, upstreams: [NonNullable<ConfigInput['upstreams']>[number]] }
  const { url } = await startGateway(t, { pages, upstreams: [{ ...upstream, target: `http://127.0.0.1:${port}` } as typeof upstream] })
  const { cookie } = await signIn(url)
  const own = { ...navigation, origin }

  t.match(await (await open(`${url}/`, navigation)).text(), '<a href="/auth/sign-in?return_to=/">')
  t.notMatch(await (await open(`${url}/`, { ...navigation, 'x-auth-subject': 'root' })).text(), 'root', 'a client cannot send the header')
  t.match(await (await open(`${url}/`, { ...navigation, cookie })).text(), '<p>Notes of ada</p>')
  t.match(await (await submit(`${url}/`, { text: 'a note' }, { ...own, cookie })).text(), '<p id="text">a note</p>')
  t.equal((await submit(`${url}/`, { text: 'a note' }, { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example', cookie })).status, 403)
  t.equal((await submit(`${url}/auth/sign-out`, {}, { ...own, cookie })).status, 303)
  t.match(await (await open(`${url}/`, { ...navigation, cookie })).text(), '/auth/sign-in', 'the session has ended')
  const again = await submit(`${url}/auth/sign-in`, { username: 'ada', password, return_to: '/' }, own)
  t.match(await (await open(`${url}/`, { ...navigation, cookie: cookieFrom(again) })).text(), '<p>Notes of ada</p>')
})
