import t from 'tap'
import { secret } from '../helpers/build-app.ts'
import { password, post, setCookies, startGateway } from '../helpers/build-gateway.ts'
import { sharedStores } from '../helpers/stores.ts'

/*
 * Somebody who knows a password, or has a script that signs in, opens sessions without end: stolen ones are lost in the crowd, and
 * the store fills. A limit that counts first and opens then is passed by doing both at once, at two gateways.
 */

for (const [name, open] of sharedStores) {
  t.test(`sign-ins at once, at two gateways on ${name}, never leave more sessions than the limit`, async t => {
    const stores = await open(t)
    const config = { secret, session: { maxPerSubject: 3 } }
    const urls = [await startGateway(t, config, { wrapStore: () => stores[0] }), await startGateway(t, config, { wrapStore: () => stores[1] })].map(({ url }) => url)
    const here = urls[0]!

    const answers = await Promise.all(Array.from({ length: 20 }, async (_, i) => await post(`${urls[i % 2]}/auth/login`, { username: 'ada', password, mode: i % 4 < 2 ? 'session' : 'tokens' })))
    const bob = await post(`${here}/auth/login`, { username: 'bob', password })

    t.same(answers.map(({ status }) => status), Array(20).fill(200))
    t.equal((await stores[0].list('ada')).length, 3)
    const carried = answers.map(answer => Object.entries(setCookies(answer)).map(pair => pair.join('=')).join('; '))
    const isGood = async (url: string, cookie: string) => (cookie.startsWith('__Host-') ? await fetch(`${url}/auth/session`, { headers: { cookie } }) : await post(`${url}/auth/refresh`, undefined, { cookie })).status === 200
    // Each gateway hears of what the other one ended within moments.
    const countGood = async () => (await Promise.all(urls.flatMap(url => carried.map(async cookie => await isGood(url, cookie) ? cookie : null)))).filter(cookie => cookie !== null)
    while (new Set(await countGood()).size > 3) await new Promise(resolve => { setTimeout(resolve, 10) })
    t.equal(new Set(await countGood()).size, 3, 'three of the twenty are good, and the others nowhere')
    t.ok(await isGood(here, `__Host-Http-portcullis=${setCookies(bob)['__Host-Http-portcullis'] ?? ''}`), 'nobody else is concerned')
  })
}
