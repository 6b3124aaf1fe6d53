import t from 'tap'
import { serverOptions } from '../../plugins/server-options.ts'

t.test('many revocations to load keep no gateway from starting: it may take minutes, and closing as long as it drains', async t => {
  t.ok(serverOptions().pluginTimeout! >= 120_000)
  t.equal(serverOptions({ drainMs: 60_000 }).pluginTimeout! - serverOptions({ drainMs: 0 }).pluginTimeout!, 60_000)
})
