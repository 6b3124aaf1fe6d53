import Fastify from 'fastify'
import { serverOptions } from 'portcullis'
import { ConfigInvalidError } from 'portcullis/errors'
import authenticate from 'portcullis/plugins/authenticate'
import blocklist from 'portcullis/plugins/blocklist'
import cookies from 'portcullis/plugins/cookies'
import metrics from 'portcullis/plugins/metrics'
import session from 'portcullis/plugins/session'
import store from 'portcullis/plugins/store'

/*
 * An application that opens a session and revokes it. It is TypeScript and JavaScript at once, has no await outside of functions, so
 * that packed.long.ts runs it as it is, and compiles it to CommonJS too. Each argument tries one thing more.
 */
const origin = 'http://localhost:3000'
const tries = {
  redis: async () => await Fastify().register(store, { type: 'redis', url: 'redis://127.0.0.1:1' }),
  metrics: async () => {
    const app = Fastify()
    await app.register(store, { path: ':memory:' })
    await app.register(blocklist)
    await app.register(metrics)
  },
  server: async () => { Fastify(serverOptions({ origin })) }
}

async function main () {
  const app = Fastify()
  await app.register(store, { path: 'sessions.db' })
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(session)
  await app.register(authenticate, { origin })
  app.post('/in', async (_request, reply) => await reply.openSession({ subject: 'ada', audiences: ['shop'] }))
  app.get('/cart', { onRequest: app.portcullis.authenticate({ audience: 'shop' }) }, async ({ identity }) => ({ sid: identity.sid }))

  const signedIn = Object.fromEntries((await app.inject({ method: 'POST', url: '/in' })).cookies.map(({ name, value }) => [name, value]))
  const open = await app.inject({ url: '/cart', cookies: signedIn })
  await app.portcullis.blocklist.revoke({ sid: open.json().sid })
  const revoked = await app.inject({ url: '/cart', cookies: signedIn })
  console.log(`open ${open.statusCode}, revoked ${revoked.statusCode} ${revoked.json().code}`)
  await app.close()

  for (const [name, attempt] of Object.entries(tries)) {
    if (!process.argv.includes(name)) continue
    const error = await attempt().then(() => null, error => error)
    console.log(error instanceof ConfigInvalidError ? error.message : `${name} works: ${error === null}`)
  }
  process.exit()
}

main().catch(error => { console.error(error); process.exitCode = 1 })
