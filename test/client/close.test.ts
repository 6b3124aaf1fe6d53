import t from 'tap'
import { createClient } from '../../client/index.ts'
import { held, openBrowser } from '../helpers/browser-tabs.ts'
import { until } from '../helpers/build-app.ts'
import { password, startGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

const ada = { username: 'ada', password }
const closed = { code: 'PTC_ERR_CLOSED', status: 0, retryAfter: null }

for (const mode of ['session', 'tokens'] as const) {
  t.test(`in ${mode} mode every call of a client that is closed rejects, and every one that is pending`, async t => {
    const { url } = await startGateway(t)
    const browser = openBrowser(t, url)
    await browser.open({ mode }).signIn(ada)
    const client = browser.open({ mode })
    const { fate, answered, release } = held()
    browser.next(mode === 'tokens' ? '/auth/refresh' : '/auth/session', fate)
    const [session, signOut] = [client.session(), client.signOut()]
    await answered

    client.close()

    for (const call of [session, signOut, client.session(), client.signIn(ada), client.signOut(), client.stepUp({ password }), client.fetch(`${url}/orders`)]) await t.rejects(call as Promise<unknown>, closed)
    client.onChange(() => { t.fail('it is closed') })()
    client.close()
    release()
  })
}

t.test('a step-up that is open ends with its request, or with the client, and is not waited for by what it waits for', async t => {
  const service = await startUpstream(t)
  const gateway = await startGateway(t, { upstreams: [{ prefix: '/orders', target: service.url, audience: 'orders', stepUp: { maxAge: '5m' } }] })
  const browser = openBrowser(t, gateway.url)
  await browser.open().signIn(ada)
  gateway.advance(600_000)
  const orders = `${gateway.url}/orders`

  const nested = browser.open({ onStepUp: async () => { await Promise.resolve(); await nested.fetch(orders) } })
  await t.rejects(nested.fetch(orders), { code: 'PTC_ERR_STEP_UP_REQUIRED', status: 401, maxAge: 300 })

  let isOpen = false
  const client = browser.open({ onStepUp: () => { isOpen = true; return new Promise(() => {}) } })
  const aborting = new AbortController()
  const [aborted, other] = [client.fetch(orders, { signal: aborting.signal }), client.fetch(orders)]
  await until(() => isOpen)
  aborting.abort()
  await t.rejects(aborted, { name: 'AbortError' })
  client.close()
  await t.rejects(other, closed)
})

t.test('where there is no page nobody is signed in, and nothing is sent', async t => {
  const client = createClient({ mode: 'tokens', onSignedOut: () => { t.fail('nobody was signed in') } })

  t.equal(await client.session(), null)

  for (const call of [client.signIn(ada), client.signOut(), client.stepUp({ password }), client.fetch('/orders')]) await t.rejects(call as Promise<unknown>, closed)
  client.onChange(() => {})()
  client.close()
})
