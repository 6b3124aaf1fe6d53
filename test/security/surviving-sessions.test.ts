import t from 'tap'
import { asAdmin, adminToken, startAdministered } from '../helpers/admin.ts'
import { secret } from '../helpers/build-app.ts'
import { generousLimits, post, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { sharedStores } from '../helpers/stores.ts'

/*
 * An account is closed, or was taken over, and "sign out everywhere" is pressed. Sessions that it misses go on for a day: those that
 * another process remembers, those in the other mode, an access token that still has ten minutes, one that is opened in that very moment,
 * or all those beyond the first page.
 */

for (const [name, open] of sharedStores) {
  t.test(`one call ends every session of a subject, of both modes and at both gateways on ${name}, and nobody else's`, async t => {
    const stores = await open(t)
    const config = { secret, session: { maxPerSubject: 200 }, rateLimit: generousLimits }
    const here = await startAdministered(t, config, { wrapStore: () => stores[0] })
    const there = await startGateway(t, config, { wrapStore: () => stores[1] })
    const urls = [here.url, there.url] as const
    const sessions = await Promise.all(Array.from({ length: 50 }, async (_, i) => await signIn(urls[i % 2]!, 'ada')))
    const families = await Promise.all(Array.from({ length: 25 }, async (_, i) => await signInForTokens(urls[i % 2]!, 'ada')))
    const bob = await signIn(here.url, 'bob')
    const headers: Array<Record<string, string>> = [...sessions.map(({ cookie }) => ({ cookie })), ...families.map(({ token }) => ({ authorization: `Bearer ${token}` }))]
    const statuses = async (url: string) => [...new Set(await Promise.all(headers.map(async given => (await fetch(`${url}/orders`, { headers: given })).status)))]
    for (const url of urls) t.same(await statuses(url), [200], 'all are good, and remembered')

    const response = await post(`${here.admin}/admin/revocations`, { subject: 'ada' }, { authorization: `Bearer ${adminToken}` })

    t.equal(response.status, 202)
    t.same(await statuses(here.url), [401], 'at once where it was asked')
    while ((await statuses(there.url)).includes(200)) await new Promise(resolve => { setTimeout(resolve, 5) })
    t.same(await statuses(there.url), [401])
    for (const { cookie } of families) t.equal((await post(`${there.url}/auth/refresh`, undefined, { cookie })).status, 401)
    t.same(await (await fetch(`${here.admin}/admin/sessions?subject=ada`, { headers: asAdmin })).json(), { sessions: [] })
    t.equal((await fetch(`${there.url}/orders`, { headers: { cookie: bob.cookie } })).status, 200)
    t.equal((await fetch(`${there.url}/orders`, { headers: { cookie: (await signIn(there.url, 'ada')).cookie } })).status, 200, 'who may still sign in can')
  })

  t.test(`sign-ins at the moment of the call are ended by it or begin after it, on ${name}`, async t => {
    const stores = await open(t)
    const config = { secret, session: { maxPerSubject: 200 }, rateLimit: generousLimits }
    const here = await startGateway(t, config, { wrapStore: () => stores[0] })
    const there = await startGateway(t, config, { wrapStore: () => stores[1] })
    const signIns = Array.from({ length: 40 }, async (_, i) => {
      const { cookie } = await signIn(i % 2 === 0 ? here.url : there.url, 'ada')
      return { cookie, answeredAt: performance.now() }
    })
    await signIns[3]
    const askedAt = performance.now()
    await here.app.portcullis.blocklist.revoke({ subject: 'ada' })
    const opened = await Promise.all(signIns)

    // A record that is there has the epoch after the cut; one that was answered before the call has not.
    const good = await Promise.all(opened.map(async ({ cookie }) => (await fetch(`${here.url}/orders`, { headers: { cookie } })).status === 200))
    t.equal(good.filter(Boolean).length, (await stores[0].list('ada')).length)
    opened.forEach(({ answeredAt }, index) => { if (good[index] && answeredAt < askedAt) t.fail('was answered before the call, and is good after it') })
    await here.app.portcullis.blocklist.revoke({ subject: 'ada' })
    for (const { cookie } of opened) t.equal((await fetch(`${here.url}/orders`, { headers: { cookie } })).status, 401)
  })
}
