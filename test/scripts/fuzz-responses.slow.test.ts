import t from 'tap'
import { fuzzResponses } from '../../scripts/fuzz-responses.ts'

t.test('mutated responses are read as Node and undici read them, or refused on purpose', async t => {
  for (const seed of [1, Date.now() % 2 ** 31]) {
    const { responses, accepted, refused, differences } = await fuzzResponses({ responses: 50_000, seed })

    t.strictSame(differences, [], `seed ${seed}`)
    t.equal(responses, 50_000)
    t.ok(accepted > 10_000 && refused > 10_000, `${accepted} were accepted, ${refused} refused`)
  }
})
