import t from 'tap'
import { testShortRun } from './spawn-soak.ts'

t.test('a short run on redis finds nothing broken, and tells what it did', async t => {
  await testShortRun(t, 'redis')
})
