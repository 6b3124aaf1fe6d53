import t from 'tap'
import { Replica } from '../../../lib/revocation/replica.ts'
import { logoutKeyOf, providerSidClaims, providerSidKeyOf } from '../../../lib/revocation/provider-keys.ts'
import { tokenKeyOf } from '../../../lib/revocation/revocation-keys.ts'

t.test('a replica that has the key of a session at a provider refuses its claims, and no other', async t => {
  const replica = new Replica()
  replica.add({ kind: 'jti', tokenKey: providerSidKeyOf('corp', 'sso'), expiresAtMs: Date.now() + 60_000 })
  t.ok(replica.isRevoked(providerSidClaims('corp', 'sso')))
  for (const [provider, sid] of [['corp', 'sso-2'], ['other', 'sso'], ['corp sso', ''], ['', 'corp sso']] as const) t.notOk(replica.isRevoked(providerSidClaims(provider, sid)))
})

t.test('no issuer of tokens has the key of a session at a provider', async t => {
  for (const issuer of ['', 'corp', 'https://idp.example.com']) t.not(providerSidKeyOf('corp', 'sso'), tokenKeyOf(issuer, 'sso'))
})

t.test('the keys of logout tokens differ by provider, id and subject', async t => {
  const keys = [['corp', 'j', 'corp|ada'], ['corp', 'k', 'corp|ada'], ['corp', 'j', 'corp|bob'], ['other', 'j', 'corp|ada'], ['corp","corp|ada', 'j', ''], ['', 'j', 'corp|ada']] as const
  t.equal(new Set(keys.map(([provider, jti, subject]) => logoutKeyOf(provider, jti, subject))).size, keys.length)
})
