import t from 'tap'
import { parseSize } from '../../lib/size.ts'

t.test('a size is its number times its unit in bytes', async t => {
  t.strictSame(['512B', '16KiB', '1MiB', '2GiB'].map(parseSize), [512, 16_384, 1_048_576, 2_147_483_648])
})

t.test('a size without a unit, with another one or with a sign is refused', async t => {
  for (const text of ['16', '16KB', '16 KiB', '-1B', '1.5MiB', '']) t.throws(() => parseSize(text), RangeError)
})
