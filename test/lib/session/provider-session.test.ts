import t from 'tap'
import { checkProof, decodeProvider, encodeProvider, providerSubjectOf, type ProviderProof } from '../../../lib/session/provider-session.ts'

const provider = { name: 'corp', sub: 'ada', sid: 'sso', idToken: 'sealed', claims: { groups: ['admins'], empty: [] } }
const proof: ProviderProof = { provider, authTimeMs: 5, beganAtMs: 6, countsFromMs: 4 }

t.test('what a record keeps of a provider survives the store, and nothing else is kept', async t => {
  for (const known of [provider, { ...provider, sid: null, idToken: null, claims: {} }, null]) t.strictSame(decodeProvider(encodeProvider(known)), known)
  t.strictSame(decodeProvider(encodeProvider({ ...provider, access: 'token' } as never)), provider)
  t.equal(decodeProvider(undefined), null)
})

t.test('a damaged text is no provider', async t => {
  for (const text of ['', '{', 'null', '[]', '5', '{}', '{"name":"corp","sub":"ada"}', '{"name":"corp","sub":5,"claims":{}}', '{"name":"corp","sub":"ada","claims":[]}']) t.throws(() => decodeProvider(text), text)
})

t.test('what is proved is copied, in whole milliseconds', async t => {
  const checked = checkProof({ ...proof, authTimeMs: 5.7 })
  t.strictSame(checked, proof)
  t.not(checked.provider.claims, provider.claims)
})

t.test('what a record cannot keep is refused by name', async t => {
  const wrong: Array<[change: object, name: RegExp]> = [
    [{ provider: { ...provider, sid: 5 } }, /provider\.sid/],
    [{ provider: { ...provider, sid: 'x'.repeat(16_385) } }, /provider\.sid/],
    [{ provider: { ...provider, idToken: 'x'.repeat(16_385) } }, /provider\.idToken/],
    [{ provider: { ...provider, claims: { text: 'x'.repeat(4096) } } }, /claims/],
    [{ provider: { ...provider, claims: [] } }, /claims/],
    [{ authTimeMs: NaN }, /authTimeMs/], [{ authTimeMs: -1 }, /authTimeMs/], [{ beganAtMs: Infinity }, /beganAtMs/], [{ countsFromMs: '5' }, /countsFromMs/]
  ]
  for (const [change, name] of wrong) t.throws(() => checkProof({ ...proof, ...change } as ProviderProof), name)
})

t.test('the subject of a user names the provider', async t => {
  t.equal(providerSubjectOf(provider), 'corp|ada')
})
