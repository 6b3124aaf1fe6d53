import express, { type Express } from 'express'
import session from 'express-session'
import { randomUUID } from 'node:crypto'
import { compileFunction } from 'node:vm'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import type { ConfigInput } from '../../config/schema.ts'
import { post, setCookies, signIn, startGateway } from '../helpers/build-gateway.ts'
import { blocksOf, readDocument } from '../helpers/documents.ts'
import { startUpstream } from '../helpers/upstream.ts'

const page = await readDocument('docs/guides/migrating.md')
const [yaml = ''] = blocksOf(page, 'yaml')
const [snippet = ''] = blocksOf(page, 'js')

interface Answer { user: string | null, visits: number }

declare module 'express-session' {
  interface SessionData { visits?: number }
}

/** An application with sessions that counts visits in them, and the middleware of the page. */
function createApp (): Express {
  const app = express()
  app.use(session({ secret: randomUUID(), resave: false, saveUninitialized: false }))
  compileFunction(snippet, ['app'])(app)
  app.use((request, response) => {
    request.session.visits = (request.session.visits ?? 0) + 1
    response.json({ user: (request as unknown as Answer).user, visits: request.session.visits })
  })
  return app
}

/** The gateway of the page in front of the application. */
async function start (t: Test, access?: string) {
  const application = await startUpstream(t, createApp())
  const { pages, upstreams: [upstream] } = parse(yaml) as { pages: boolean, upstreams: [NonNullable<ConfigInput['upstreams']>[number]] }
  const entry = { ...upstream, target: application.url, ...access === undefined ? {} : { access } } as typeof upstream
  return await startGateway(t, { pages, upstreams: [entry] })
}

const ask = async (url: string, headers: Record<string, string> = {}): Promise<Response> => await fetch(`${url}/app/cart`, { headers, redirect: 'manual' })

t.test('an application behind a public prefix keeps its sessions, and learns who is signed in from each request', async t => {
  const { url } = await start(t)
  const first = await ask(url)
  const own = `connect.sid=${setCookies(first)['connect.sid'] ?? ''}`
  const { cookie } = await signIn(url)

  t.same(await first.json(), { user: null, visits: 1 })
  t.same(await (await ask(url, { cookie: `${own}; ${cookie}` })).json(), { user: 'ada', visits: 2 })
  t.same(await (await ask(url, { cookie: own, 'x-auth-subject': 'root' })).json(), { user: null, visits: 3 }, 'a client cannot send the header')
  t.equal((await post(`${url}/auth/logout`, {}, { cookie })).status, 204)
  t.same(await (await ask(url, { cookie: `${own}; ${cookie}` })).json(), { user: null, visits: 4 }, 'a sign-out at the gateway counts at once')
})

t.test('with access: session, navigations without a session are redirected to the sign-in page, and other requests are refused', async t => {
  const { app, url } = await start(t, 'session')
  const { cookie } = await signIn(url)

  // fetch replaces Sec-Fetch headers.
  const navigation = await app.inject({ url: '/app/cart', headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' } })
  t.equal(navigation.statusCode, 303)
  t.match(navigation.headers.location, /^\/auth\/sign-in\?return_to=/)
  t.equal((await ask(url)).status, 401)
  t.match(await (await ask(url, { cookie })).json(), { user: 'ada' })
})
