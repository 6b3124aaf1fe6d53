import fc from 'fast-check'
import t from 'tap'
import { formatTicket, parseTicket, type Ticket } from '../../../lib/session/device-ticket.ts'
import { deriveSecret } from '../../../lib/secrets.ts'

const [first, second, third] = [1, 2, 3].map(byte => deriveSecret(Buffer.alloc(32, byte).toString('base64url'))) as [ReturnType<typeof deriveSecret>, ReturnType<typeof deriveSecret>, ReturnType<typeof deriveSecret>]
const ticket: Ticket = { purpose: 'refresh', sid: 'AAECAwQFBgcICQoLDA0ODw', number: 7 }
const endsAtMs = 1_790_000_000_123

t.test('a ticket is what was issued, with its end, under any secret that is known', async t => {
  const text = formatTicket(first, ticket, endsAtMs)

  t.match(text, /^[A-Za-z0-9_-]{56}$/)
  t.strictSame(parseTicket([first], ticket, text), { result: 'genuine', endsAtMs })
  t.strictSame(parseTicket([second, first], ticket, text), { result: 'genuine', endsAtMs })
  t.strictSame(parseTicket([second, third], ticket, text), { result: 'unknown-key' })
  t.not(formatTicket(second, ticket, endsAtMs), text)
})

t.test('a ticket is no other one', async t => {
  const text = formatTicket(first, ticket, endsAtMs)
  const others: Ticket[] = [{ ...ticket, purpose: 'register' }, { ...ticket, purpose: 'cookie' }, { ...ticket, sid: 'AAECAwQFBgcICQoLDA0ODg' }, { ...ticket, number: 8 }, { ...ticket, number: 0 }, { ...ticket, number: 7 + 2 ** 32 }]

  for (const other of others) t.strictSame(parseTicket([first], other, text), { result: 'forged' })
})

t.test('whatever else is said is forged, or of a secret that nobody knows', async t => {
  const text = formatTicket(first, ticket, endsAtMs)
  const bytes = Buffer.from(text, 'base64url')
  await t.resolves(fc.assert(fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async bit => {
    const changed = Buffer.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    const { result } = parseTicket([first], ticket, changed.toString('base64url'))
    return result === (bit < 32 ? 'unknown-key' : 'forged')
  }), { numRuns: 400 }))
  for (const other of ['', 'x', `${text}A`, `${text}=`, text.slice(1), ` ${text}`, text.replace(/.$/, '+'), '\u0100'.repeat(56)]) t.strictSame(parseTicket([first], ticket, other), { result: 'forged' }, other)
})
