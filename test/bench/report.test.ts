import t from 'tap'
import { figureOf, formatFindings, formatPage, ratiosOf, voidReason, type Arm, type Result, type Shares, type Table } from '../../bench/report.ts'

const columns: Table['columns'] = {
  perSecond: { head: 'requests/s', digits: 0, isThroughput: true },
  cpuUs: { head: 'CPU µs', digits: 1 }
}

function arm (figures: Array<[perSecond: number, cpuUs: number]>, shares?: Shares, more: Partial<Arm> = {}): Arm {
  return { what: 'it', rounds: figures.map(([perSecond, cpuUs]) => ({ figures: { perSecond, cpuUs }, ...shares === undefined ? {} : { shares } })), ...more }
}

const busy: Shares = { process: 0.98, load: 0.5, beside: 0.3 }

t.test('a figure is the median of its rounds, with the least and the greatest', async t => {
  const table: Table = { title: 'All', columns, arms: { gateway: arm([[300, 10], [100, 30.26], [200, 20]], busy) } }

  t.equal(figureOf(table, 'gateway', 'cpuUs'), 20)
  t.match(formatFindings({ conditions: '', tables: [table], goals: [], notRun: [] }), '| gateway | 200 (100–300) | 20.0 (10.0–30.3) | 98, 50, 30')
})

t.test('requests a second are void, and CPU time is not, when something else than the process set the pace', async t => {
  const cases: Array<[shares: Shares | undefined, reason: RegExp | null, more?: Partial<Arm>]> = [
    [busy, null],
    [undefined, null],
    [{ process: 0.98, load: 0.9, beside: 0 }, /load generator was the bottleneck/],
    [{ process: 0.6, load: 0.5, beside: 0.45 }, /what shares its CPU/],
    [{ process: 0.6, load: 0.2, beside: 0.1 }, /idle/],
    [{ process: 0.6, load: 0.2, beside: 0.1 }, null, { waitsFor: 'the disk' }],
    [{ process: 0.6, load: 0.95, beside: 0.1 }, /load generator/, { waitsFor: 'the disk' }],
    [busy, /late/, { isVoidBecause: 'it was late' }]
  ]
  for (const [shares, reason, more] of cases) {
    const measured = arm([[100, 10]], shares, more)
    const table: Table = { title: 'All', columns, arms: { gateway: measured } }
    const what = JSON.stringify([shares, more])

    if (reason === null) t.equal(voidReason(measured), null, what)
    else t.match(voidReason(measured), reason, what)
    t.equal(figureOf(table, 'gateway', 'perSecond'), reason === null ? 100 : null, what)
    t.equal(figureOf(table, 'gateway', 'cpuUs'), 10, what)
    t.match(formatFindings({ conditions: '', tables: [table], goals: [], notRun: [] }), reason === null ? '| gateway | 100 ' : '| gateway | void ', what)
  }
})

t.test('ratios are those of each round, not of the medians', async t => {
  const samples = { a: arm([[1, 10], [1, 40]]).rounds, b: arm([[1, 5], [1, 80]]).rounds }

  t.same(ratiosOf(samples, 'cpuUs', [['a', 'b'], ['a', 'missing']]), { column: 'cpuUs', of: { 'a/b': [2, 0.5] } })
})

t.test('a goal is met, missed or void', async t => {
  const goal = (value: number | null) => ({ what: 'fast', unit: 'ms', digits: 1, most: 5, value })
  const text = formatFindings({ conditions: '', tables: [], goals: [goal(5), goal(5.1), goal(null), { what: 'many', unit: '/s', digits: 0, least: 10, value: 9 }], notRun: [] })

  t.match(text, /5\.0 ms +\| met/)
  t.match(text, /5\.1 ms +\| missed/)
  t.match(text, /void +\| +\|/)
  t.match(text, /≥ 10 \/s +\| 9 \/s +\| missed/)
})

t.test('the page has a section for every bench, and says of what was not run that it was not', async t => {
  const result: Result = { question: 'How fast?', command: 'npm run bench -- a', machine: { date: '2026-01-02', cpu: '2 × CPU' }, conditions: 'Once.', tables: [{ title: 'All', columns, arms: { x: arm([[1, 2]]) } }], goals: [], notRun: ['y: is not installed'] }
  const page = formatPage({ a: { question: 'How fast?', result }, b: { question: 'How slow?', result: null } })

  t.match(page, '## a\n\nHow fast?\n\n`npm run bench -- a`')
  t.match(page, '- y: is not installed')
  t.match(page, '- cpu: 2 × CPU')
  t.match(page, '## b\n\nHow slow?\n\nNot run yet: `npm run bench -- b`.')
})
