import t from 'tap'
import { covers, strengthen, strengthenAtProvider, type Strength } from '../../../lib/session/authentication.ts'

const at = (authTimeMs: number, acr: string, amr: string[]): Strength & { authTimeMs: number } => ({ authTimeMs, acr, amr })

t.test('an authentication that follows another one makes it more recent, and never weaker', async t => {
  const cases: Array<[known: Strength, fresh: Strength, acr: string, amr: string[]]> = [
    [{ acr: '1', amr: ['pwd'] }, { acr: '1', amr: ['pwd'] }, '1', ['pwd']],
    [{ acr: '2', amr: ['pwd', 'otp'] }, { acr: '1', amr: ['pwd'] }, '2', ['pwd', 'otp']],
    [{ acr: '1', amr: ['pwd'] }, { acr: '2', amr: ['otp', 'pwd'] }, '2', ['pwd', 'otp']],
    [{ acr: '9', amr: [] }, { acr: '10', amr: ['hwk'] }, '10', ['hwk']],
    [{ acr: '10', amr: ['hwk'] }, { acr: '9', amr: [] }, '10', ['hwk']],
    [{ acr: '2', amr: [] }, { acr: '02', amr: [] }, '2', []],
    [{ acr: 'urn:mfa', amr: ['pwd'] }, { acr: '3', amr: ['pwd'] }, 'urn:mfa', ['pwd']],
    [{ acr: '2', amr: ['pwd'] }, { acr: 'urn:mfa', amr: ['otp'] }, '2', ['pwd', 'otp']],
    [{ acr: '2', amr: ['pwd'] }, { acr: '', amr: [] }, '2', ['pwd']],
    [{ acr: '', amr: [] }, { acr: '1', amr: ['pwd'] }, '1', ['pwd']],
    [{ acr: '2', amr: ['pwd'] }, { acr: '1e9', amr: [] }, '2', ['pwd']],
    [{ acr: '2', amr: ['pwd'] }, { acr: '-3', amr: [] }, '2', ['pwd']],
    [{ acr: '2', amr: ['pwd'] }, { acr: '9999999999999999', amr: [] }, '2', ['pwd']]
  ]
  for (const [known, fresh, acr, amr] of cases) t.strictSame(strengthen({ authTimeMs: 5, ...known }, fresh, 9), { authTimeMs: 9, acr, amr }, `${known.acr} by ${fresh.acr}`)
})

t.test('a clock that stepped back makes no authentication older', async t => {
  t.strictSame(strengthen(at(9, '1', ['pwd']), { acr: '1', amr: ['pwd'] }, 5), at(9, '1', ['pwd']))
})

t.test('sixteen methods are kept, the first ones first, and none that was kept is lost', async t => {
  const methods = Array.from({ length: 20 }, (_, index) => `m${index}`)

  t.strictSame(strengthen(at(0, '1', ['pwd']), { acr: '1', amr: methods }, 1).amr, ['pwd', ...methods.slice(0, 15)])
  t.strictSame(strengthen(at(0, '1', methods), { acr: '1', amr: ['pwd'] }, 1).amr, methods)
})

t.test('an authentication covers another one that is no more recent, no stronger and has no other methods', async t => {
  const known = at(5, '2', ['pwd', 'otp'])

  for (const covering of [known, at(6, '2', ['otp', 'pwd']), at(5, '3', ['pwd', 'otp', 'hwk']), at(5, '02', ['pwd', 'otp'])]) t.ok(covers(covering, known))
  for (const less of [at(4, '2', ['pwd', 'otp']), at(5, '1', ['pwd', 'otp']), at(5, '2', ['pwd']), at(5, 'urn:mfa', ['pwd', 'otp']), at(5, '', ['pwd', 'otp'])]) t.notOk(covers(less, known))
})

t.test('a provider names strengths, so its newest name counts, and a number is never lowered', async t => {
  for (const [known, fresh, acr] of [['silver', 'gold', 'gold'], ['gold', 'silver', 'silver'], ['1', '2', '2'], ['2', '1', '2'], ['gold', '', 'gold'], ['', 'gold', 'gold'], ['2', 'gold', 'gold'], ['gold', '2', '2']] as const) {
    t.strictSame(strengthenAtProvider(at(5, known, ['pwd']), { acr: fresh, amr: ['otp'] }, 9), at(9, acr, ['pwd', 'otp']), `${known} by ${fresh}`)
  }
})

t.test('a provider makes no authentication older', async t => {
  t.strictSame(strengthenAtProvider(at(9, 'gold', []), { acr: 'gold', amr: [] }, 0), at(9, 'gold', []))
})
