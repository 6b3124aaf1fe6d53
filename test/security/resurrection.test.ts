import t from 'tap'
import { secret } from '../helpers/build-app.ts'
import { password, post, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { sharedStores } from '../helpers/stores.ts'

/*
 * The owner ends a stolen session while the thief goes on using it. Every use writes: when it was last used, a renewed cookie, the next
 * refresh token. A write that was under way when the session ended, and that stores the record it read before, brings the session back:
 * listed as ended, and good.
 */

for (const [name, open] of sharedStores) {
  t.test(`no use that is under way while a session ends brings it back, on ${name}`, async t => {
    const stores = await open(t)
    const gateways = [await startGateway(t, { secret }, { wrapStore: () => stores[0] }), await startGateway(t, { secret }, { wrapStore: () => stores[1] })]
    const urls = gateways.map(({ url }) => url)
    const [owner, stolen, family] = [await signIn(urls[0]!), await signIn(urls[0]!), await signInForTokens(urls[0]!)]
    const bearer = { authorization: `Bearer ${family.token}` }
    const uses = [
      async (url: string) => await fetch(`${url}/orders`, { headers: { cookie: stolen.cookie } }),
      async (url: string) => await fetch(`${url}/orders`, { headers: bearer }),
      async (url: string) => await post(`${url}/auth/refresh`, undefined, { cookie: family.cookie }),
      async (url: string) => await post(`${url}/auth/step-up`, { password }, { cookie: family.cookie }),
      async (url: string) => await fetch(`${url}/auth/sessions`, { headers: { cookie: stolen.cookie } })
    ]
    const end = async (sid: string) => await fetch(`${urls[1]}/auth/sessions/${sid}`, { method: 'DELETE', headers: { cookie: owner.cookie } })

    const ended: Array<Promise<Response>> = []
    const used = Array.from({ length: 200 }, async (_, i) => {
      if (i === 60) ended.push(end(stolen.sid))
      if (i === 120) ended.push(end(family.sid))
      return (await uses[i % uses.length]!(urls[i % 2]!)).status
    })
    const statuses = await Promise.all(used)
    t.same((await Promise.all(ended)).map(({ status }) => status), [204, 204])

    t.same([...new Set(statuses)].filter(status => status !== 200 && status !== 401), [])
    // What was seen is written before anything is listed.
    for (const url of urls) t.same((await (await fetch(`${url}/auth/sessions`, { headers: { cookie: owner.cookie } })).json() as { sessions: Array<{ sid: string }> }).sessions.map(({ sid }) => sid), [owner.sid])
    for (const sid of [stolen.sid, family.sid]) t.equal(await stores[0].read(sid), null)
    for (const use of uses) {
      t.equal((await use(urls[1]!)).status, 401, 'where it was ended')
      while ((await use(urls[0]!)).status !== 401) await new Promise(resolve => { setTimeout(resolve, 5) })
    }
  })
}
