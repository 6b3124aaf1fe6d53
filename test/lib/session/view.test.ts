import t from 'tap'
import { seconds } from '../../../lib/session/record.ts'
import { viewSession } from '../../../lib/session/view.ts'
import { sessionRecord } from '../../helpers/build-app.ts'

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
    device: null,
    provider: null
  })
  t.same(viewSession({ ...record, device: { publicKey: 'key', boundAtMs: at + 2999, renewals: 3 } }, 1_800_000), { ...view, device: { bound_at: seconds(at) + 2 } })
  t.same(viewSession({ ...record, lastUsedAtMs: at + 119_999 }, 1_800_000), view)
  t.equal(viewSession({ ...record, lastUsedAtMs: at + 86_399_000 }, 1_800_000).idle_expires_at, view.expires_at)
})

t.test('a view names the identity provider of a session, and nothing else that the record keeps of it', async t => {
  const record = sessionRecord({ provider: { name: 'corp', sub: 'the-sub', sid: 'the-sid', idToken: 'the-token', claims: { groups: ['the-group'] } } })

  const view = viewSession(record, 1000)
  t.same(view.provider, { name: 'corp' })
  t.notMatch(JSON.stringify(view), /the-/)
  // Stores of applications may have records of earlier versions.
  const { provider: _, ...former } = sessionRecord()
  t.equal(viewSession(former as typeof record, 1000).provider, null)
})

t.test('a view has no secret', async t => {
  t.notMatch(JSON.stringify(viewSession(sessionRecord({ secretHash: 'the-hash' }), 1000)), /the-hash|secret/)
})
