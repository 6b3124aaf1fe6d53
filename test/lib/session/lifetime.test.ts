import t from 'tap'
import { gridMs, isIdle, isOver, seconds, viewSession } from '../../../lib/session/lifetime.ts'
import { sessionRecord } from '../../helpers/build-app.ts'

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

t.test('a view tells the last use on the grid alone, never past the absolute end', async t => {
  const at = 1_800_000_000_000
  const record = sessionRecord({ createdAtMs: at, authTimeMs: at + 1999, lastUsedAtMs: at + 61_000, expiresAtMs: at + 86_400_000, client: { userAgent: 'agent', ip: '::1' } })

  const view = viewSession(record, 1_800_000)
  t.same(view, {
    sid: record.sid,
    subject: 'ada',
    created_at: seconds(at),
    auth_time: seconds(at) + 1,
    acr: '1',
    amr: ['pwd'],
    idle_expires_at: seconds(at) + 60 + 1800,
    expires_at: seconds(at) + 86_400,
    client: { user_agent: 'agent', ip: '::1' },
    device: null
  })
  t.same(viewSession({ ...record, device: { publicKey: 'key', boundAtMs: at + 2999, renewals: 3 } }, 1_800_000), { ...view, device: { bound_at: seconds(at) + 2 } })
  t.same(viewSession({ ...record, lastUsedAtMs: at + 119_999 }, 1_800_000), view)
  t.equal(viewSession({ ...record, lastUsedAtMs: at + 86_399_000 }, 1_800_000).idle_expires_at, view.expires_at)
})

t.test('a view has no secret', async t => {
  t.notMatch(JSON.stringify(viewSession(sessionRecord({ secretHash: 'the-hash' }), 1000)), /the-hash|secret/)
})
