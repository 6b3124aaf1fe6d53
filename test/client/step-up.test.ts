import t, { type Test } from 'tap'
import type { ClientOptions, StepUpDemand } from '../../client/index.ts'
import { held, openBrowser, type Browser } from '../helpers/browser-tabs.ts'
import { until } from '../helpers/build-app.ts'
import { password, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { startUpstream, type Upstream } from '../helpers/upstream.ts'

const ada = { username: 'ada', password }

/** Orders need a sign-in of the last five minutes, and the last one was ten minutes ago. */
async function start (t: Test, mode: 'session' | 'tokens'): Promise<{ gateway: TestGateway, browser: Browser, service: Upstream, orders: string }> {
  const service = await startUpstream(t)
  const gateway = await startGateway(t, { upstreams: [{ prefix: '/orders', target: service.url, audience: 'orders', stepUp: { maxAge: '5m', methods: ['POST'] } }] })
  const browser = openBrowser(t, gateway.url)
  await browser.open({ mode }).signIn(ada)
  gateway.advance(10 * 60_000)
  return { gateway, browser, service, orders: `${gateway.url}/orders` }
}

const order = { method: 'POST', body: 'three apples' }

for (const mode of ['session', 'tokens'] as const) {
  t.test(`in ${mode} mode what needs a fresh authentication gets one`, async t => {
    t.test('a request that needs it is sent again after the step-up', async t => {
      const { browser, service, orders } = await start(t, mode)
      const demands: Array<StepUpDemand['maxAge']> = []
      const client = browser.open({ mode, onStepUp: async ({ maxAge, stepUp }) => { demands.push(maxAge); await stepUp({ password }) } })
      const statuses: string[] = []
      client.onChange(({ status }) => { statuses.push(status) })
      await client.session()

      const response = await client.fetch(orders, order)

      t.equal(response.status, 200)
      t.match(service.requests, [{ method: 'POST', body: 'three apples' }])
      t.equal(service.requests.length, 1)
      t.same(demands, [300])
      t.ok(statuses.includes('stepping-up'), statuses.join())
      await until(() => statuses.at(-1) === 'signed-in')
    })

    t.test('requests that need it together ask the user once', async t => {
      const { browser, service, orders } = await start(t, mode)
      let asked = 0
      const client = browser.open({ mode, onStepUp: async ({ stepUp }) => { asked++; await stepUp({ password }) } })

      const responses = await Promise.all([client.fetch(orders, order), client.fetch(orders, order), client.fetch(orders, order)])

      t.same(responses.map(({ status }) => status), [200, 200, 200])
      t.equal(service.requests.length, 3)
      t.equal(asked, 1)
    })

    t.test('a refusal that arrives after the user was asked for another request is met without asking again', async t => {
      const { browser, service, orders } = await start(t, mode)
      let asked = 0
      const client = browser.open({ mode, onStepUp: async ({ stepUp }) => { asked++; await stepUp({ password }) } })
      await client.session()
      const late = held()
      browser.next('/orders', late.fate)

      const first = client.fetch(orders, order)
      await late.answered
      t.equal((await client.fetch(orders, order)).status, 200)
      late.release()

      t.equal((await first).status, 200)
      t.equal(service.requests.length, 2)
      t.equal(asked, 1)
    })

    t.test('without anybody to ask, the refusal is the answer', async t => {
      const { browser, orders } = await start(t, mode)

      const response = await browser.open({ mode }).fetch(orders, order)

      t.equal(response.status, 401)
      t.match(await response.json(), { code: 'PTC_ERR_STEP_UP_REQUIRED' })
    })

    t.test('a user who gives up ends the request, and is asked anew by the next one', async t => {
      const { browser, service, orders } = await start(t, mode)
      const answers: Array<NonNullable<ClientOptions['onStepUp']>> = [
        () => { throw new Error('given up') },
        async () => { throw new Error('given up') },
        async ({ stepUp }) => await stepUp({ password: 'wrong' }),
        async () => {}
      ]
      const client = browser.open({ mode, onStepUp: async demand => await answers.shift()!(demand) })

      await t.rejects(client.fetch(orders, order), { message: 'given up' })
      await t.rejects(client.fetch(orders, order), { message: 'given up' })
      await t.rejects(client.fetch(orders, order), { code: 'PTC_ERR_LOGIN_REFUSED' })
      t.equal((await client.fetch(orders, order)).status, 401)

      t.equal(answers.length, 0)
      t.equal(service.requests.length, 0)
      t.match(await client.session(), { subject: 'ada' })
    })

    t.test('ending other sessions needs it', async t => {
      const { browser } = await start(t, mode)
      let maxAge: number | null = null
      const client = browser.open({ mode, onStepUp: async demand => { maxAge = demand.maxAge; await demand.stepUp({ password }) } })

      await t.rejects(browser.open({ mode }).signOut({ scope: 'others' }), { code: 'PTC_ERR_STEP_UP_REQUIRED', status: 401, maxAge: 300 })
      await client.signOut({ scope: 'others' })

      t.equal(maxAge, 300)
      t.match(await client.session(), { subject: 'ada' })
    })

    t.test('a step-up of a session that has ended is a sign-out', async t => {
      const { gateway, browser } = await start(t, mode)
      let isSignedOut = false
      const client = browser.open({ mode, onSignedOut: () => { isSignedOut = true } })
      await gateway.app.portcullis.blocklist.close((await client.session())!.sid)

      await t.rejects(client.stepUp({ password }), { code: mode === 'tokens' ? 'PTC_ERR_REFRESH_REFUSED' : 'PTC_ERR_SESSION_INVALID' })

      await until(() => isSignedOut)
      t.equal(await client.session(), null)
    })
  })
}
