import fc from 'fast-check'
import t from 'tap'
import { Replica } from '../../lib/replica.ts'
import { subjectKeyOf, tokenKeyOf } from '../../lib/revocation-key.ts'
import type { CredentialClaims, Revocation } from '../../stores/store.ts'

const nobody: CredentialClaims = { issuer: null, jti: null, sid: null, subject: null, epoch: null }
const later = Number.MAX_SAFE_INTEGER

t.test('an empty replica has revoked nothing', async t => {
  const replica = new Replica()

  t.notOk(replica.isRevoked(nobody))
  t.notOk(replica.isRevoked({ issuer: 'i', jti: 'j', sid: 's', subject: 'ada', epoch: 0 }))
  t.equal(replica.size, 0)
})

t.test('a token is revoked with its issuer, and no other issuer\'s token of the same id', async t => {
  const replica = new Replica()
  replica.add({ kind: 'jti', tokenKey: tokenKeyOf('https://a', 'j'), expiresAtMs: later })

  t.ok(replica.isRevoked({ ...nobody, issuer: 'https://a', jti: 'j' }))
  for (const [issuer, jti] of [['https://b', 'j'], [null, 'j'], ['https://a', 'k'], ['https://', 'aj'], ['https://aj', '']] as const) t.notOk(replica.isRevoked({ ...nobody, issuer, jti }), `${issuer ?? ''} ${jti}`)
})

t.test('a token that was revoked without an issuer is revoked whoever issued it', async t => {
  const replica = new Replica()
  replica.add({ kind: 'jti', tokenKey: tokenKeyOf('', 'j'), expiresAtMs: later })

  t.ok(replica.isRevoked({ ...nobody, jti: 'j' }))
  t.ok(replica.isRevoked({ ...nobody, issuer: 'https://a', jti: 'j' }))
})

t.test('a cut ends the epochs below it and spares one session', async t => {
  const replica = new Replica()
  replica.add({ kind: 'subject', subjectKey: subjectKeyOf('ada'), belowEpoch: 5, exceptSid: 'spared', expiresAtMs: later })

  t.ok(replica.isRevoked({ ...nobody, subject: 'ada', sid: 's', epoch: 4 }))
  t.notOk(replica.isRevoked({ ...nobody, subject: 'ada', sid: 's', epoch: 5 }))
  t.notOk(replica.isRevoked({ ...nobody, subject: 'ada', sid: 'spared', epoch: 4 }))
  t.notOk(replica.isRevoked({ ...nobody, subject: 'eve', sid: 's', epoch: 4 }))
})

t.test('a cut that spares nobody ends what names no session too', async t => {
  const replica = new Replica()
  replica.add({ kind: 'subject', subjectKey: subjectKeyOf('ada'), belowEpoch: 5, exceptSid: null, expiresAtMs: later })

  t.ok(replica.isRevoked({ ...nobody, subject: 'ada', epoch: 4 }))
})

t.test('cuts that arrive late or twice change nothing', async t => {
  const replica = new Replica()
  const cut = { kind: 'subject', subjectKey: subjectKeyOf('ada'), belowEpoch: 5, exceptSid: null, expiresAtMs: later } as const
  replica.add(cut)
  replica.add({ ...cut, belowEpoch: 4, exceptSid: 's' })
  replica.add(cut)

  t.ok(replica.isRevoked({ ...nobody, subject: 'ada', sid: 's', epoch: 4 }))
  t.equal(replica.size, 1)
})

t.test('of two cuts with one number, which a store that lost the first makes, the second counts', async t => {
  const replica = new Replica()
  replica.add({ kind: 'subject', subjectKey: subjectKeyOf('ada'), belowEpoch: 5, exceptSid: 'spared', expiresAtMs: later })
  replica.add({ kind: 'subject', subjectKey: subjectKeyOf('ada'), belowEpoch: 5, exceptSid: null, expiresAtMs: later })

  t.ok(replica.isRevoked({ ...nobody, subject: 'ada', sid: 'spared', epoch: 4 }))
})

t.test('an entry is forgotten once its time is over, and not before; a repeated one never ends sooner', async t => {
  const replica = new Replica()
  replica.add({ kind: 'sid', sid: 's', expiresAtMs: 1000 })
  replica.add({ kind: 'sid', sid: 's', expiresAtMs: 500 })
  replica.add({ kind: 'jti', tokenKey: tokenKeyOf('i', 'j'), expiresAtMs: 1000 })
  replica.add({ kind: 'subject', subjectKey: subjectKeyOf('ada'), belowEpoch: 5, exceptSid: null, expiresAtMs: 1000 })

  replica.purge(999)
  t.equal(replica.size, 3)
  replica.purge(1000)
  t.equal(replica.size, 0)
  t.notOk(replica.isRevoked({ ...nobody, sid: 's' }))
})

t.test('an end of everything is never forgotten and never taken back', async t => {
  const replica = new Replica()
  replica.add({ kind: 'all', belowEpoch: 9, expiresAtMs: 1 })
  replica.add({ kind: 'all', belowEpoch: 3, expiresAtMs: 1 })
  replica.purge(later)

  t.ok(replica.isRevoked({ ...nobody, subject: 'ada', epoch: 8 }))
  t.notOk(replica.isRevoked({ ...nobody, subject: 'ada', epoch: 9 }))
})

t.test('claims that name no key of ours are revoked by nothing', async t => {
  const replica = new Replica()
  for (const key of ['__proto__', 'constructor', 'toString', '']) {
    t.notOk(replica.isRevoked({ issuer: key, jti: key, sid: key, subject: key, epoch: 0 }), key)
  }
})

/**
 * Subjects open sessions, are cut, and sessions are closed, as a store allows: a cut spares only a session that is alive. The
 * model keeps every revocation as it was said and looks through all of them.
 */
t.test('whatever a store may say, in order or again, the replica answers as a list of all of it does', async () => {
  const subject = fc.constantFrom('ada', 'eve')
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('open' as const), subject }) },
    fc.record({ do: fc.constant('close' as const), which: fc.nat() }),
    fc.record({ do: fc.constant('cut' as const), subject, spare: fc.option(fc.nat()) }),
    fc.record({ do: fc.constant('revoke' as const), issuer: fc.constantFrom('', 'i', 'ii'), jti: fc.constantFrom('j', 'ij') }),
    fc.record({ do: fc.constant('all' as const) }),
    fc.record({ do: fc.constant('again' as const), which: fc.nat() })
  )
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), steps => {
    const replica = new Replica()
    const said: Revocation[] = []
    const sessions: Array<{ sid: string, subject: string, epoch: number, alive: boolean }> = []
    const epochs = new Map<string, number>()
    let floor = 1
    const epochOf = (subject: string): number => Math.max(floor, epochs.get(subject) ?? 0)
    const say = (revocation: Revocation): void => {
      said.push(revocation)
      replica.add(revocation)
    }
    for (const at of steps) {
      if (at.do === 'open') sessions.push({ sid: `s${sessions.length}`, subject: at.subject, epoch: epochOf(at.subject), alive: true })
      else if (at.do === 'revoke') say({ kind: 'jti', tokenKey: tokenKeyOf(at.issuer, at.jti), expiresAtMs: later })
      else if (at.do === 'again') {
        const known = said[at.which % Math.max(1, said.length)]
        if (known !== undefined) replica.add(known)
      } else if (at.do === 'close') {
        const session = sessions[at.which % Math.max(1, sessions.length)]
        if (session === undefined) continue
        session.alive = false
        say({ kind: 'sid', sid: session.sid, expiresAtMs: later })
      } else if (at.do === 'all') {
        floor = Math.max(floor, ...epochs.values()) + 1
        for (const session of sessions) session.alive = false
        say({ kind: 'all', belowEpoch: floor, expiresAtMs: later })
      } else {
        const living = sessions.filter(({ subject, alive }) => subject === at.subject && alive)
        const spared = at.spare === null ? undefined : living[at.spare % Math.max(1, living.length)]
        epochs.set(at.subject, epochOf(at.subject) + 1)
        for (const session of living) session.alive = session === spared
        say({ kind: 'subject', subjectKey: subjectKeyOf(at.subject), belowEpoch: epochOf(at.subject), exceptSid: spared?.sid ?? null, expiresAtMs: later })
      }
    }
    const credentials: CredentialClaims[] = [
      ...sessions.map(({ sid, subject, epoch }) => ({ ...nobody, sid, subject, epoch })),
      ...['', 'i', 'ii'].flatMap(issuer => ['j', 'ij', 'iij'].map(jti => ({ ...nobody, issuer, jti })))
    ]
    return credentials.every(claims => replica.isRevoked(claims) === isRevokedNaively(said, claims)) &&
      sessions.every(({ sid, subject, epoch, alive }) => replica.isRevoked({ ...nobody, sid, subject, epoch }) === !alive)
  }), { numRuns: 2000 })
})

function isRevokedNaively (said: Revocation[], { issuer, jti, sid, subject, epoch }: CredentialClaims): boolean {
  return said.some(revocation => {
    if (revocation.kind === 'sid') return revocation.sid === sid
    if (revocation.kind === 'jti') return jti !== null && [tokenKeyOf('', jti), tokenKeyOf(issuer ?? '', jti)].includes(revocation.tokenKey)
    if (epoch === null || epoch >= revocation.belowEpoch) return false
    return revocation.kind === 'all' || (subject !== null && revocation.subjectKey === subjectKeyOf(subject) && sid !== revocation.exceptSid)
  })
}
