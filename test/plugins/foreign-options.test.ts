import AutoLoad from '@fastify/autoload'
import Fastify from 'fastify'
import t from 'tap'
import { isFastifyOption } from '../../lib/fastify-options.ts'
import blocklist from '../../plugins/blocklist.ts'
import storePlugin from '../../plugins/store.ts'

const ofServer = { bodyLimit: 1000, trustProxy: true, logger: false, routerOptions: { caseSensitive: true }, logLevel: 'warn', prefix: '/api', disableRequestLogging: true } as const

t.test('plugins that @fastify/autoload registers get the options of the server too, and boot', async t => {
  const plugin = (path: string): string => JSON.stringify(new URL(`../../plugins/${path}`, import.meta.url).href)
  const dir = t.testdir({
    'store.mjs': `import store from ${plugin('store.ts')}\nexport default store\nexport const autoConfig = { path: ':memory:' }\n`,
    'revocation.mjs': `import blocklist from ${plugin('blocklist.ts')}\nexport default blocklist\nexport const autoConfig = { maxTokenAge: '15m' }\n`
  })
  const app = Fastify()
  t.teardown(() => app.close())

  await app.register(AutoLoad, { dir, options: ofServer })
  await app.ready()

  t.equal(app.portcullis.blocklist.isRevoked({ jti: 'one' }), false)
})

t.test('a misspelt option is refused beside those of the server, with the name that was meant', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(storePlugin, { path: ':memory:', ...ofServer })

  await t.rejects(async () => { await app.register(blocklist, { ...ofServer, maxTokenage: '15m' } as object) }, { code: 'PTC_ERR_CONFIG_INVALID', message: 'portcullis-blocklist: maxTokenage is not an option; did you mean maxTokenAge?' })
})

t.test('an option of a plugin that has a name of Fastify is checked', async t => {
  t.ok(isFastifyOption('handlerTimeout'))
  t.notOk(isFastifyOption('constructor'))
})
