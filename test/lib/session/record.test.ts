import t from 'tap'
import { gridMs, isIdle, isOver } from '../../../lib/session/record.ts'

t.test('a session is idle at exactly its idle timeout, and over at exactly its end', async t => {
  t.notOk(isIdle({ lastUsedAtMs: 1000 }, 1999, 1000))
  t.ok(isIdle({ lastUsedAtMs: 1000 }, 2000, 1000))
  t.notOk(isOver({ expiresAtMs: 2000 }, 1999))
  t.ok(isOver({ expiresAtMs: 2000 }, 2000))
})

t.test('a clock that stepped back makes nobody idle', async t => {
  t.notOk(isIdle({ lastUsedAtMs: 5000 }, 1000, 1000))
})

t.test('the grid is a thirtieth of the idle timeout, and never zero', async t => {
  t.equal(gridMs(1_800_000), 60_000)
  t.equal(gridMs(1), 1)
})
