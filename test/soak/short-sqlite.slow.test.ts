import t from 'tap'
import { testShortRun } from './spawn-soak.ts'

t.test('a short run on sqlite finds nothing broken, and tells what it did', async t => {
  await testShortRun(t, 'sqlite')
})
