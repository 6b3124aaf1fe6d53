import t from 'tap'
import { serverOptions } from '../../plugins/server-options.ts'

t.test('many revocations to load keep no gateway from starting: it may take minutes, and closing as long as it drains', async t => {
  t.ok(serverOptions().pluginTimeout! >= 120_000)
  t.equal(serverOptions({ drainMs: 60_000 }).pluginTimeout! - serverOptions({ drainMs: 0 }).pluginTimeout!, 60_000)
})

t.test('an option that is misspelt, or that is one of Fastify, is refused with what to write instead', async t => {
  const message = (options: object): string => {
    try {
      serverOptions(options)
      return 'accepted'
    } catch (error) {
      t.match(error, { code: 'PTC_ERR_CONFIG_INVALID' })
      return (error as Error).message
    }
  }

  t.equal(message({ trustProxies: [] }), 'serverOptions: trustProxies is not an option; did you mean trustProxy?')
  t.equal(message({ bodyLimit: 5 }), 'serverOptions: bodyLimit is not an option; give it to Fastify: Fastify({ ...serverOptions(…), bodyLimit: … })')
  t.match(message({ x: 1 }), /^serverOptions: x is not an option; did you mean /)
  t.equal(message({ origin: 'https://app.example.com', accessLog: true, logger: false }), 'accepted')
})
