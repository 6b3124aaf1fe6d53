import fc from 'fast-check'
import t from 'tap'
import { durationPattern, parseDurationMs, parseSize } from '../../lib/units.ts'

t.test('a duration is a number with its unit', async t => {
  for (const [text, ms] of [['0s', 0], ['500ms', 500], ['30s', 30_000], ['15m', 900_000], ['24h', 86_400_000], ['30d', 2_592_000_000], ['007s', 7000]] as const) t.equal(parseDurationMs(text), ms, text)
})

t.test('anything else is refused with the fix', async t => {
  for (const text of ['', '10', 's', '-1s', '1.5h', '1 s', ' 1s', '1s ', '1s\n', '1h30m', '1S', '1w', '1e3s', '1234567890s', '١s', 'Infinitys']) {
    t.throws(() => parseDurationMs(text), { name: 'RangeError', message: /write a number with a unit/ }, JSON.stringify(text))
  }
})

t.test('the pattern accepts exactly what is parsed', async () => {
  const pattern = new RegExp(durationPattern)
  const text = fc.oneof(fc.string(), fc.tuple(fc.nat(), fc.constantFrom('ms', 's', 'm', 'h', 'd', 'w', '')).map(([n, unit]) => `${n}${unit}`))
  fc.assert(fc.property(text, text => {
    try {
      return Number.isInteger(parseDurationMs(text)) && pattern.test(text)
    } catch {
      return !pattern.test(text)
    }
  }))
})

t.test('a size is its number times its unit in bytes', async t => {
  t.strictSame(['512B', '16KiB', '1MiB', '2GiB'].map(parseSize), [512, 16_384, 1_048_576, 2_147_483_648])
})

t.test('a size without a unit, with another one or with a sign is refused', async t => {
  for (const text of ['16', '16KB', '16 KiB', '-1B', '1.5MiB', '']) t.throws(() => parseSize(text), RangeError)
})
