import fc from 'fast-check'
import t from 'tap'
import { Replica } from '../../../lib/revocation/replica.ts'
import { freezeWithKeys, subjectKeyOf, tokenKeyOf } from '../../../lib/revocation/revocation-keys.ts'
import type { CredentialClaims, Revocation } from '../../../lib/revocation/entries.ts'

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

t.test('epochs beyond 32 bits are compared whole', async t => {
  const replica = new Replica()
  const belowEpoch = 5 * 2 ** 32 + 0x80000001
  replica.add({ kind: 'subject', subjectKey: subjectKeyOf('ada'), belowEpoch, exceptSid: null, expiresAtMs: later })

  t.ok(replica.isRevoked({ ...nobody, subject: 'ada', epoch: belowEpoch - 1 }))
  t.notOk(replica.isRevoked({ ...nobody, subject: 'ada', epoch: belowEpoch }))
})

t.test('a million revocations take at most 48 MB', async t => {
  const replica = new Replica()
  const bytes = Buffer.alloc(16)
  let most = 0
  for (let index = 0; index < 1_000_000; index++) {
    bytes.writeUInt32BE(Math.imul(index, 0x9e3779b1) >>> 0, 0)
    bytes.writeUInt32BE(index, 8)
    replica.add({ kind: 'sid', sid: bytes.toString('base64url'), expiresAtMs: later })
    most = Math.max(most, replica.byteLength)
  }

  t.equal(replica.size, 1_000_000)
  t.ok(most <= 48e6, `${most} bytes at most`)
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

/** Revocations that end, a clock, and both kinds of credentials: those that carry their keys, and plain claims. */
t.test('as time passes the replica answers as maps of what is in force do', async () => {
  const text = fc.constantFrom('a', 'b', 'AAAAAAAAAAAAAAAAAAAAAA', 'AAAAAAAAAAAAAAAAAAAAAQ', 'BBBBBBBBBBBBBBBBBBBBBA')
  const issuer = fc.constantFrom('', 'i', 'j')
  const epoch = fc.integer({ min: 0, max: 5 })
  const lastsSeconds = fc.integer({ min: 1, max: 40 })
  const said = fc.oneof(
    fc.record({ kind: fc.constant('sid' as const), sid: text, lastsSeconds }),
    fc.record({ kind: fc.constant('jti' as const), tokenKey: fc.tuple(issuer, text).map(([by, jti]) => tokenKeyOf(by, jti)), lastsSeconds }),
    fc.record({ kind: fc.constant('subject' as const), subjectKey: text.map(subjectKeyOf), belowEpoch: epoch, exceptSid: fc.option(text), lastsSeconds }),
    fc.record({ kind: fc.constant('pass' as const), seconds: fc.nat(15) })
  )
  const claims = fc.record({ issuer: fc.option(issuer), jti: fc.option(text), sid: fc.option(text), subject: fc.option(text), epoch: fc.option(epoch) })
  fc.assert(fc.property(fc.array(fc.oneof({ weight: 3, arbitrary: said }, claims), { maxLength: 80 }), steps => {
    const replica = new Replica()
    const model = new Maps()
    let nowMs = 1_700_000_000_000
    return steps.every(at => {
      if (!('kind' in at)) return replica.isRevoked(at) === model.isRevoked(at) && replica.isRevoked(freezeWithKeys({ ...at })) === model.isRevoked(at)
      if (at.kind === 'pass') {
        nowMs += at.seconds * 1000
        replica.purge(nowMs)
        model.purge(nowMs)
        return true
      }
      const { lastsSeconds, ...revocation } = at
      replica.add({ ...revocation, expiresAtMs: nowMs + lastsSeconds * 1000 })
      model.add({ ...revocation, expiresAtMs: nowMs + lastsSeconds * 1000 })
      return true
    })
  }), { numRuns: 2000 })
})

/** What the replica means, in the plainest way. */
class Maps {
  readonly #ends = new Map<string, number>()
  readonly #cuts = new Map<string, Extract<Revocation, { kind: 'subject' }>>()

  add (revocation: Revocation): void {
    if (revocation.kind === 'all') return
    if (revocation.kind === 'subject') {
      if (revocation.belowEpoch >= (this.#cuts.get(revocation.subjectKey)?.belowEpoch ?? 0)) this.#cuts.set(revocation.subjectKey, revocation)
      return
    }
    const key = revocation.kind === 'sid' ? JSON.stringify(revocation.sid) : `token ${revocation.tokenKey}`
    this.#ends.set(key, Math.max(this.#ends.get(key) ?? 0, revocation.expiresAtMs))
  }

  isRevoked ({ issuer, jti, sid, subject, epoch }: CredentialClaims): boolean {
    if (sid !== null && this.#ends.has(JSON.stringify(sid))) return true
    if (jti !== null && (this.#ends.has(`token ${tokenKeyOf(issuer ?? '', jti)}`) || this.#ends.has(`token ${tokenKeyOf('', jti)}`))) return true
    const cut = subject === null ? undefined : this.#cuts.get(subjectKeyOf(subject))
    return cut !== undefined && epoch !== null && epoch < cut.belowEpoch && (sid === null || sid !== cut.exceptSid)
  }

  purge (nowMs: number): void {
    for (const [key, end] of this.#ends) if (end <= nowMs) this.#ends.delete(key)
    for (const [subject, { expiresAtMs }] of this.#cuts) if (expiresAtMs <= nowMs) this.#cuts.delete(subject)
  }
}

function isRevokedNaively (said: Revocation[], { issuer, jti, sid, subject, epoch }: CredentialClaims): boolean {
  return said.some(revocation => {
    if (revocation.kind === 'sid') return revocation.sid === sid
    if (revocation.kind === 'jti') return jti !== null && [tokenKeyOf('', jti), tokenKeyOf(issuer ?? '', jti)].includes(revocation.tokenKey)
    if (epoch === null || epoch >= revocation.belowEpoch) return false
    return revocation.kind === 'all' || (subject !== null && revocation.subjectKey === subjectKeyOf(subject) && sid !== revocation.exceptSid)
  })
}

t.test('what one replica knows and another lacks is told, until the other has got it', async t => {
  const expiresAtMs = 2_000_000_000_000
  const both: Revocation[] = Array.from({ length: 3000 }, (_, number) => ({ kind: 'jti', tokenKey: tokenKeyOf('i', `both ${number}`), expiresAtMs }))
  const lost: Revocation[] = [
    ...Array.from({ length: 3000 }, (_, number): Revocation => ({ kind: 'jti', tokenKey: tokenKeyOf('i', `lost ${number}`), expiresAtMs })),
    { kind: 'sid', sid: 'AAAAAAAAAAAAAAAAAAAAAQ', expiresAtMs },
    { kind: 'subject', subjectKey: subjectKeyOf('ada'), belowEpoch: 2 ** 40 + 7, exceptSid: 'BBBBBBBBBBBBBBBBBBBBBA', expiresAtMs },
    { kind: 'subject', subjectKey: subjectKeyOf('eve'), belowEpoch: 5, exceptSid: null, expiresAtMs },
    { kind: 'all', belowEpoch: 9, expiresAtMs }
  ]
  const [knowing, other] = [new Replica(), new Replica()]
  for (const revocation of [...both, ...lost]) knowing.add(revocation)
  for (const revocation of both) other.add(revocation)
  other.add({ kind: 'subject', subjectKey: subjectKeyOf('eve'), belowEpoch: 4, exceptSid: null, expiresAtMs })
  const texts = (revocations: Revocation[]) => revocations.map(revocation => JSON.stringify(Object.entries(revocation).sort())).sort()

  t.same(texts([...knowing.missingFrom(other)].flat()), texts(lost))
  for (const revocation of lost) other.add(revocation)
  t.same([...knowing.missingFrom(other)].flat(), [])
  t.same([...new Replica().missingFrom(knowing)].flat(), [])

  knowing.purge(expiresAtMs + 1)
  t.same([...knowing.missingFrom(new Replica())].flat().map(({ kind }) => kind), ['all'])
})

t.test('what says nothing new is told from what does', t => {
  const expiresAtMs = 2_000_000_000_000
  const replica = new Replica()
  const sid: Revocation = { kind: 'sid', sid: 'AAAAAAAAAAAAAAAAAAAAAQ', expiresAtMs }
  const jti: Revocation = { kind: 'jti', tokenKey: tokenKeyOf('i', 'j'), expiresAtMs }
  const cut: Revocation = { kind: 'subject', subjectKey: subjectKeyOf('ada'), belowEpoch: 5, exceptSid: null, expiresAtMs }
  const all: Revocation = { kind: 'all', belowEpoch: 9, expiresAtMs }
  const news: Revocation[] = [{ ...sid, sid: 'AAAAAAAAAAAAAAAAAAAAAg' }, { ...jti, expiresAtMs: expiresAtMs + 1 }, { ...jti, tokenKey: tokenKeyOf('i', 'k') }, { ...cut, belowEpoch: 6 }, { ...cut, subjectKey: subjectKeyOf('eve') }, { ...all, belowEpoch: 10 }]

  for (const revocation of [sid, jti, cut, all]) {
    t.notOk(replica.has(revocation), revocation.kind)
    replica.add(revocation)
    t.ok(replica.has(revocation), revocation.kind)
  }
  for (const revocation of [{ ...jti, expiresAtMs: expiresAtMs - 5000 }, { ...cut, belowEpoch: 4 }, { ...all, belowEpoch: 8 }]) t.ok(replica.has(revocation), JSON.stringify(revocation))
  for (const revocation of news) t.notOk(replica.has(revocation), JSON.stringify(revocation))

  replica.purge(expiresAtMs)
  for (const revocation of [sid, jti, cut]) t.notOk(replica.has(revocation), 'over')
  t.end()
})
