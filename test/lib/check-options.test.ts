import { Type } from '@sinclair/typebox'
import t from 'tap'
import { DurationOption, checkOptions, durationMs } from '../../lib/check-options.ts'

const Options = Type.Object({
  name: Type.String(),
  ttl: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '10m' }),
  list: Type.Array(Type.Integer(), { default: [] }),
  mode: Type.Optional(Type.Literal('a', { errorMessage: 'must be a' }))
}, { additionalProperties: false })

t.test('defaults are filled in without touching what was given', async t => {
  const given = Object.freeze({ name: 'n' })
  const checked = checkOptions('plugin', Options, given)

  t.same(checked, { name: 'n', ttl: '10m', list: [] })
  t.same(given, { name: 'n' })
  checked.list.push(1)
  t.same(checkOptions('plugin', Options, given).list, [])
})

t.test('an option that is undefined counts as left out', async t => {
  t.same(checkOptions('plugin', Options, { name: 'n', ttl: undefined, mode: undefined }), { name: 'n', ttl: '10m', list: [] })
})

t.test('what Fastify reads of a plugin\'s options is none of ours', async t => {
  t.same(checkOptions('plugin', Options, { name: 'n', prefix: '/a', logLevel: 'info', logSerializers: {} }), { name: 'n', ttl: '10m', list: [] })
})

t.test('a wrong option is refused by the names of plugin and option, never by its value', async t => {
  for (const [options, message] of [
    [{}, 'plugin: name is required'],
    [{ name: 1 }, /^plugin: name /],
    [{ name: 'n', nmae: 'hunter2' }, 'plugin: nmae is not an option'],
    [{ name: 'n', ttl: 'hunter2' }, 'plugin: ttl must be a duration such as 30s or 15m, or a number of milliseconds'],
    [{ name: 'n', ttl: -1 }, /^plugin: ttl must be a duration/],
    [{ name: 'n', ttl: 1.5 }, /^plugin: ttl must be a duration/],
    [{ name: 'n', ttl: null }, /^plugin: ttl must be a duration/],
    [{ name: 'n', list: [1, 'hunter2'] }, /^plugin: list\.1 /],
    [{ name: 'n', mode: 'hunter2' }, 'plugin: mode must be a']
  ] as const) {
    t.throws(() => checkOptions('plugin', Options, options), { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
    try { checkOptions('plugin', Options, options) } catch (error) { t.notMatch(String(error), /hunter2/) }
  }
})

t.test('a number is milliseconds, a text has its unit', async t => {
  t.equal(durationMs(1500), 1500)
  t.equal(durationMs('1500ms'), 1500)
})
