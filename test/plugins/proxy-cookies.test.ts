import Fastify from 'fastify'
import t from 'tap'
import cookies from '../../plugins/cookies.ts'
import errors from '../../plugins/errors.ts'
import proxy from '../../plugins/proxy.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import { startUpstream } from '../helpers/upstream.ts'

const origin = 'http://localhost:3000'

t.test('no cookie of any scope of the server reaches an upstream, whatever the order of registration', async t => {
  const upstream = await startUpstream(t, (_request, response) => { response.setHeader('set-cookie', ['shop=x', 'partner=x', 'inner-refresh=x', 'other=1']).end() })
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(proxy, { prefix: '/early', target: upstream.url, origin })
  await app.register(cookies, { origin, name: 'shop' })
  await app.register(async scope => { await scope.register(cookies, { origin, name: 'partner' }) })
  await app.register(proxy, { prefix: '/late', target: upstream.url, origin })
  await app.register(async outer => {
    await outer.register(proxy, { prefix: '/outer', target: upstream.url, origin })
    await outer.register(async scope => { await scope.register(cookies, { origin, name: 'inner' }) })
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })

  for (const path of ['/early', '/late', '/outer']) {
    const answer = await fetch(url + path, { headers: { cookie: 'a=1; shop=s.1; partner=p.1; b=2; inner=i.1; shop-refresh=r; inner-device=d' } })
    t.equal(upstream.requests.at(-1)!.headers.cookie, 'a=1; b=2', path)
    t.strictSame(answer.headers.getSetCookie(), ['other=1'], path)
    await fetch(url + path, { headers: { cookie: 'partner=p.1; shop=s.1' } })
    t.equal(upstream.requests.at(-1)!.headers.cookie, undefined, path)
  }
})

t.test('the names of identity headers are the gateway\'s in every request, also where it adds none', async t => {
  const upstream = await startUpstream(t)
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(proxy, { prefix: '/', target: upstream.url, origin, identityHeaderNames: ['X-User', 'X-Team'], identityHeaders: request => request.url === '/known' ? ['x-user', 'ada'] : [] })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const forged = { 'x-user': 'root', x_user: 'root', 'X.Team': 'wheel', 'x-kept': '1' }

  for (const [path, user] of [['/known', 'ada'], ['/anonymous', undefined]] as const) {
    await fetch(url + path, { headers: forged })
    const { headers } = upstream.requests.at(-1)!
    t.strictSame([headers['x-user'], headers['x_user'], headers['x.team'], headers['x-kept']], [user, undefined, undefined, '1'], path)
  }
})
