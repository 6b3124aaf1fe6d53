import t from 'tap'
import { formatVerdicts, judge } from '../../bench/gate.ts'

const exactly = (median: number) => ({ median, least: median, greatest: median })

t.test('a ratio is worse when it is more than a tenth greater than it was', async t => {
  for (const [is, isWorse] of [[1, false], [1.5, false], [1.65, false], [1.66, true], [3, true]] as const) {
    const [verdict] = judge({ 'token/floor': 1.5 }, { 'token/floor': exactly(is) })

    t.match(verdict, { ratio: 'token/floor', was: 1.5, is: exactly(is), isWorse }, String(is))
  }
})

t.test('the median is judged, not the worst round', async t => {
  t.equal(judge({ 'token/floor': 1.5 }, { 'token/floor': { median: 1.5, least: 1.2, greatest: 9 } })[0]!.isWorse, false)
  t.equal(judge({ 'token/floor': 1.5 }, { 'token/floor': { median: 1.7, least: 1.2, greatest: 1.8 } })[0]!.isWorse, true)
})

t.test('one worse ratio does not hide behind better ones, and each is named with what it was and is', async t => {
  const text = formatVerdicts(judge({ 'token/floor': 1.5, 'cookie/floor': 1.4 }, { 'token/floor': exactly(1.8), 'cookie/floor': exactly(1.2) }))

  t.match(text, /token\/floor was 1\.500 and is 1\.800: \+20\.0 %, and 10 % is allowed/)
  t.match(text, /\| cookie\/floor \| 1\.400 \| 1\.200 .* \| −14\.3 % \| {7}\|/)
  t.notMatch(text, /cookie\/floor was/)
})

t.test('what is guarded by nothing is a fault: a ratio that only the baseline has, or only the run', async t => {
  const verdicts = judge({ 'token/floor': 1.5 }, { 'cookie/floor': exactly(1.2) })

  t.match(verdicts, [{ ratio: 'token/floor', is: null, isWorse: true }, { ratio: 'cookie/floor', was: null, isWorse: true }])
  t.match(formatVerdicts(verdicts), /token\/floor is in bench\/baseline\.json and is not measured any more/)
  t.match(formatVerdicts(verdicts), /cookie\/floor is not in bench\/baseline\.json: renew it with --write/)
})
