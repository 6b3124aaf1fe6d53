import t from 'tap'
import { nodeProblem } from '../../lib/node-version.ts'

t.test('an older Node is a problem, and the line names both versions', async t => {
  t.equal(nodeProblem('22.19.0', '22.18.0'), 'needs Node 22.19 or newer; this is Node 22.18.0')
  t.equal(nodeProblem('22.19.0', '20.20.2'), 'needs Node 22.19 or newer; this is Node 20.20.2')
  t.equal(nodeProblem('24.9.0', '22.23.3'), 'needs Node 24.9 or newer; this is Node 22.23.3')
})

t.test('the same Node, and a newer one, is no problem', async t => {
  for (const current of ['24.9.0', '24.10.0', '25.0.0', '26.10.0', '100.1.0']) t.equal(nodeProblem('24.9.0', current), null, current)
})
