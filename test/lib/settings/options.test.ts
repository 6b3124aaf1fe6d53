import { Type } from '@sinclair/typebox'
import t from 'tap'
import { checkOptions } from '../../../lib/check-options.ts'
import { decode, defaultsOf } from '../../../lib/settings/decode.ts'
import { choice, count, duration, flag, group, list, size, text } from '../../../lib/settings/fields.ts'
import { durationOption, optional, optionsFrom, optionsOf } from '../../../lib/settings/options.ts'

const { Optional } = Type

const settings = group({
  timeout: Optional(duration({ description: 'Timeout.', default: '5s', minimum: '1s', maximum: '1m' })),
  ttl: Optional(duration({ description: 'Life.', default: '10m', minimum: '1m', maximum: '15m', hard: true })),
  pause: Optional(duration({ description: 'Pause.', minimum: '1s', maximum: '1m' })),
  most: Optional(count({ description: 'Most.', default: 3, minimum: 1, maximum: 9 })),
  few: Optional(count({ description: 'Few.', default: 2, minimum: 1, maximum: 9, hard: true })),
  mode: Optional(choice(['one', 'two', 'three'], { description: 'Mode.', default: 'one' })),
  isOn: Optional(flag({ description: 'On.', default: false })),
  name: Optional(text(name => name === 'bad' ? 'must be good' : null, { description: 'Name.', default: 'good', expects: 'a name', hard: true })),
  note: Optional(text(note => note === 'bad' ? 'must be good' : null, { description: 'Note.', expects: 'a note' })),
  budgets: Optional(list(group({ window: Optional(duration({ description: 'Window.', default: '1m', minimum: '1s', maximum: '1h' })), max: count({ description: 'Max.', minimum: 1, maximum: 9 }) }, { description: 'Budget.' }), { description: 'Budgets.', default: [] })),
  nested: Optional(group({ wait: Optional(duration({ description: 'Wait.', default: '2s', minimum: '1s', maximum: '1m' })) }, { description: 'Nested.' }))
}, { description: 'Settings.' })

const Options = optionsOf(settings.properties, { delay: durationOption({ default: '3s' }), path: optional('/auth', Type.String()), keep: Type.Optional(Type.Unsafe<object>(Type.Object({}))) })
const defaults = { timeoutMs: 5000, ttlMs: 600_000, most: 3, few: 2, mode: 'one', isOn: false, name: 'good', budgets: [], delayMs: 3000, path: '/auth' }

t.test('options have the defaults of their settings, and durations are milliseconds', async t => {
  t.strictSame(checkOptions('plugin', Options, {}), defaults)
  t.strictSame(checkOptions('plugin', Options, { timeout: '500ms', pause: 7, nested: {}, budgets: [{ max: 1 }], delay: 1 }), { ...defaults, timeoutMs: 500, pauseMs: 7, nested: { waitMs: 2000 }, budgets: [{ windowMs: 60_000, max: 1 }], delayMs: 1 })
})

t.test('bounds and checks hold for the options of hard settings alone', async t => {
  t.match(checkOptions('plugin', Options, { timeout: '2h', most: 10, note: 'bad' }), { timeoutMs: 7_200_000, most: 10, note: 'bad' })
  for (const [options, message] of [
    [{ ttl: '59s' }, 'plugin: ttl must be from 1m to 15m'],
    [{ ttl: 900_001 }, 'plugin: ttl must be from 1m to 15m'],
    [{ ttl: 'long' }, 'plugin: ttl must be a duration such as 30s or 15m, or a number of milliseconds'],
    [{ timeout: -1 }, /^plugin: timeout must be a duration/],
    [{ few: 10 }, /^plugin: few /],
    [{ most: 0 }, /^plugin: most /],
    [{ name: 'bad' }, 'plugin: name must be good'],
    [{ mode: 'four' }, 'plugin: mode must be one, two or three'],
    [{ budgets: [{ max: 0 }] }, /^plugin: budgets\.0\.max /],
    [{ nested: { wait: 'x' } }, /^plugin: nested\.wait must be a duration/],
    [{ nested: { zebra: 1 } }, 'plugin: nested.zebra is not an option']
  ] as const) t.throws(() => checkOptions('plugin', Options, options), { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
})

t.test('what authors give is neither changed nor copied, except groups and lists', async t => {
  class Store {}
  const keep = new Store()
  const budgets = Object.freeze([Object.freeze({ max: 1 })])

  const plain = { open () {} }

  t.equal(checkOptions('plugin', Options, { keep }).keep, keep)
  t.equal(checkOptions('plugin', Options, { keep: plain }).keep, plain)
  t.strictSame(checkOptions('plugin', Options, { budgets }).budgets, [{ windowMs: 60_000, max: 1 }])
})

t.test('settings are decoded under names that say what they measure, with null for what is not set', async t => {
  const limits = group({ head: Optional(size({ description: 'Head.', default: '16KiB', minimum: '1KiB', maximum: '1MiB' })), more: settings }, { description: 'Limits.' })
  const given = { timeout: '1m', ttl: '10m', pause: undefined, most: 3, few: 2, mode: 'two' as const, isOn: true, name: 'n', note: undefined, budgets: [{ window: '2s', max: 1 }], nested: undefined }

  t.strictSame(decode(limits, { head: '2KiB', more: given }), { headBytes: 2048, more: { timeoutMs: 60_000, ttlMs: 600_000, pauseMs: null, most: 3, few: 2, mode: 'two', isOn: true, name: 'n', note: null, budgets: [{ windowMs: 2000, max: 1 }], nested: null } })
  t.match(defaultsOf(settings), { timeoutMs: 5000, pauseMs: null, nested: null })
})

t.test('a decoded group gives the options that it was decoded from', async t => {
  const decoded = { ...defaultsOf(settings), pauseMs: 7, budgets: [{ windowMs: 2000, max: 1 }], beside: 1 }

  const options = optionsFrom(settings.properties, decoded)
  t.strictSame(options, { timeout: 5000, ttl: 600_000, pause: 7, most: 3, few: 2, mode: 'one', isOn: false, name: 'good', budgets: [{ window: 2000, max: 1 }] })
  t.strictSame(checkOptions('plugin', Options, options), { ...defaults, pauseMs: 7, budgets: [{ windowMs: 2000, max: 1 }] })
})
