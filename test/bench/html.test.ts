import t from 'tap'
import { formatHtml } from '../../bench/html.ts'
import type { Result, Table } from '../../bench/report.ts'

const bars: Table = {
  title: 'All <fast>',
  columns: { cpuUs: { head: 'CPU µs', digits: 1 }, perSecond: { head: 'requests/s', digits: 0, isThroughput: true } },
  plot: { columns: ['cpuUs', 'perSecond'], own: ['token'] },
  arms: {
    floor: { what: 'the "floor"', rounds: [{ figures: { cpuUs: 10, perSecond: 9 } }] },
    token: { what: 'ours', rounds: [10, 20, 40].map(cpuUs => ({ figures: { cpuUs, perSecond: 5 } })), isVoidBecause: 'it was late' }
  }
}

const lines: Table = {
  title: 'By number',
  columns: { cpuUs: { head: 'CPU µs', digits: 1 } },
  plot: { columns: ['cpuUs'], x: 'revocations' },
  arms: Object.fromEntries([0, 10_000, 1_000_000].map(x => [`at ${x}`, { what: `${x} of them`, rounds: [{ figures: { cpuUs: 50 } }], at: { series: 'token', x } }]))
}

const result: Result = { question: 'How fast?', command: 'npm run bench -- a', machine: { date: '2026-01-02' }, conditions: 'Once & for all.', tables: [bars, lines], goals: [{ what: 'fast', unit: 'µs', digits: 1, most: 5, value: 4 }, { what: 'faster', unit: 'µs', digits: 1, most: 5, value: 6 }], notRun: ['y: is <not> installed'] }
const page = formatHtml({ a: { question: 'How fast?', result }, b: { question: 'How slow?', result: null } })

t.test('the page needs nothing but itself, and what results say is text in it', async t => {
  t.notMatch(page, /<script|<link|<img|<iframe|@import|url\(|(?:src|href)="(?!#)|https?:/)
  t.match(page, 'All &#60;fast&#62;')
  t.match(page, 'y: is &#60;not&#62; installed')
  t.match(page, '<title>the &#34;floor&#34;</title>')
  t.notMatch(page, /<fast>|<not>/)
})

t.test('a bar ends at the median, and a line goes from the least round to the greatest', async t => {
  t.match(page, /<text x="0"[^>]*>token<\/text><text class="value"[^>]*>20\.0<\/text>.*?<rect class="own" [^>]*width="50\.00%"[^>]*\/><line class="spread" x1="25\.00%" x2="100\.00%"/)
  t.match(page, /<rect class="other" [^>]*width="25\.00%"/)
})

t.test('a void figure has no bar', async t => {
  const [, , perSecond = ''] = page.split('<figure>')

  t.match(perSecond, 'requests/s')
  t.match(perSecond, />token<\/text><text class="value"[^>]*>void<\/text><rect class="track"[^>]*\/><\/g>/)
})

t.test('a line goes through the arms of a series, by what they are measured at', async t => {
  const [, , , byNumber = ''] = page.split('<figure>')

  t.match(byNumber, 'CPU µs by revocations')
  t.same([...byNumber.matchAll(/<circle cx="([\d.]+%)" cy="([\d.]+)"/g)].map(([, x]) => x), ['12.00%', '52.00%', '92.00%'])
  t.equal([...byNumber.matchAll(/class="between"/g)].length, 2)
  t.match(byNumber, />1,000,000<\/text>/)
})

t.test('one disturbed round does not press the others to the ground', async t => {
  const disturbed: Table = { ...lines, arms: { ...lines.arms, 'at 5': { what: '5 of them', rounds: [50, 52, 5000].map(cpuUs => ({ figures: { cpuUs } })), at: { series: 'token', x: 5 } } } }
  const text = formatHtml({ a: { question: 'How fast?', result: { ...result, tables: [disturbed] } } })
  const [, y2 = ''] = /5 of them: 52\.0<\/title><line class="spread" [^>]*y2="([-\d.]+)"/.exec(text)!

  t.match(text, />80<\/text>/, 'the axis ends above the medians')
  t.ok(Number(y2) >= 0, 'and what goes beyond is cut at the edge')
})

t.test('goals are counted, and what was not run is said', async t => {
  t.match(page, '1 of 2 met')
  t.match(page, '<td class="missed">missed</td>')
  t.match(page, 'Not run yet: <code>npm run bench -- b</code>')
})
