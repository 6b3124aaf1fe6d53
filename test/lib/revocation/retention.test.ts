import t from 'tap'
import { keptForMs, retentionOf } from '../../../lib/revocation/retention.ts'

t.test('a revocation outlives the credentials that it concerns by the clock tolerance', async t => {
  t.equal(keptForMs(600_000), 605_000)
  t.same(retentionOf({ maxTokenAgeMs: 600_000, maxForeignTokenAgeMs: 900_000, absoluteTimeoutMs: 86_400_000 }), { maxTokenAgeMs: 605_000, maxForeignTokenAgeMs: 905_000, keepCutsForMs: 86_405_000 })
})

t.test('a cut is kept until tokens of other issuers have expired too', async t => {
  t.equal(retentionOf({ maxTokenAgeMs: 600_000, maxForeignTokenAgeMs: 172_800_000, absoluteTimeoutMs: 86_400_000 }).keepCutsForMs, 172_805_000)
})
