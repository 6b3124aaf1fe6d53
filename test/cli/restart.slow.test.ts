import t from 'tap'
import { post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { startPortcullis, writeConfig } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * What was answered holds when the process dies the next moment: a sign-out that was acknowledged is one, for tokens that are still
 * within their time too, and a session that was opened is there.
 */
t.test('sign-ins and sign-outs that were answered survive kill -9', async t => {
  const target = await startUpstream(t)
  const { config } = await writeConfig(t, { upstreams: [{ prefix: '/up', target: target.url, audience: 'up' }] })
  const before = await startPortcullis(t, config)
  const kept = { session: await signIn(before.url), tokens: await signInForTokens(before.url) }
  const ended = { session: await signIn(before.url, 'bob'), tokens: await signInForTokens(before.url, 'bob') }
  t.equal((await post(`${before.url}/auth/logout`, undefined, { cookie: ended.session.cookie })).status, 204)
  t.equal((await post(`${before.url}/auth/logout`, undefined, { cookie: ended.tokens.cookie })).status, 204)
  const last = await signIn(before.url)
  t.equal((await before.end('SIGKILL')).code, null)

  const { url } = await startPortcullis(t, config)

  const session = async (cookie: string) => (await fetch(`${url}/auth/session`, { headers: { cookie } })).status
  const token = async (value: string) => (await fetch(`${url}/up`, { headers: { authorization: `Bearer ${value}` } })).status
  const refresh = async (cookie: string) => (await post(`${url}/auth/refresh`, undefined, { cookie })).status
  t.same([await session(ended.session.cookie), await token(ended.tokens.token), await refresh(ended.tokens.cookie)], [401, 401, 401])
  t.same([await session(kept.session.cookie), await session(last.cookie), await token(kept.tokens.token), await refresh(kept.tokens.cookie)], [200, 200, 200, 200])
})

t.test('a sign-out is durable however soon the process is killed after its answer', async t => {
  const { config } = await writeConfig(t)
  for (let round = 0; round < 3; round++) {
    const before = await startPortcullis(t, config)
    const { cookie } = await signIn(before.url)
    const answer = await post(`${before.url}/auth/logout`, undefined, { cookie })
    await before.end('SIGKILL')
    t.equal(answer.status, 204)

    const after = await startPortcullis(t, config)
    t.equal((await fetch(`${after.url}/auth/session`, { headers: { cookie } })).status, 401)
    await after.end('SIGKILL')
  }
})
