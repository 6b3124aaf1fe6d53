import fc from 'fast-check'
import t from 'tap'
import { admit, claimsOf, mergeClaims, type AdmissionRules } from '../../../lib/oidc/admission.ts'

const rules: AdmissionRules = { claims: [], grant: [] }

t.test('a condition is met by a text, a number or a boolean, or by one entry of a list, exactly', async t => {
  const isAllowed = (given: unknown, value: string): boolean => admit({ claim: given }, { ...rules, allow: { claim: 'claim', value } }).isAllowed
  for (const given of ['staff', ['a', 'staff'], 3, [3], true]) t.ok(isAllowed(given, String([given].flat().at(-1))), JSON.stringify(given))
  for (const given of ['Staff', 'staff ', 'staffs', ['a,staff'], { staff: true }, null, undefined, [['staff']]]) t.notOk(isAllowed(given, 'staff'), JSON.stringify(given))
})

t.test('names of prototypes are no claims', async t => {
  for (const claim of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) t.notOk(admit({}, { ...rules, allow: { claim, value: 'x' } }).isAllowed, claim)
})

t.test('a domain is that of a verified address, after its last @', async t => {
  const isAllowed = (email: unknown, isVerified: unknown = true): boolean => admit({ email, email_verified: isVerified }, { ...rules, allow: { claim: 'email_domain', value: 'Example.com' } }).isAllowed
  for (const email of ['ada@example.com', 'ADA@EXAMPLE.COM', '"a@evil.test"@example.com']) t.ok(isAllowed(email), email)
  t.ok(isAllowed('ada@example.com', 'true'))
  for (const email of ['ada@example.com.evil.test', 'ada@evil.test', 'example.com', '@example.com', 'ada@example.com@evil.test', ['ada@example.com'], null]) t.notOk(isAllowed(email), JSON.stringify(email))
  for (const isVerified of [false, 'false', null, 1, undefined]) t.notOk(admit({ email: 'ada@example.com', ...isVerified === undefined ? {} : { email_verified: isVerified } }, { ...rules, allow: { claim: 'email_domain', value: 'example.com' } }).isAllowed, String(isVerified))
})

t.test('every line that matches grants its scopes, once each', async t => {
  const grant = [{ scopes: ['a'] }, { claim: 'groups', value: 'x', scopes: ['a', 'b'] }, { claim: 'groups', value: 'y', scopes: ['c'] }]
  t.match(admit({ groups: ['x'] }, { ...rules, grant }), { isAllowed: true, scopes: ['a', 'b'] })
  t.same(claimsOf({ ...rules, grant, allow: { claim: 'email_domain', value: 'x' } }), ['groups', 'email', 'email_verified'])
})

t.test('a session keeps what is named and at most 4 KiB of it', async t => {
  t.match(admit({ a: 1, b: 2 }, { ...rules, claims: ['a', 'c'] }), { isAllowed: true, claims: { a: 1 } })
  t.match(admit({ a: 'x'.repeat(4096) }, { ...rules, claims: ['a'] }), { isAllowed: false })
})

t.test('whether an address is verified stays with the address that it is about', async t => {
  t.same(mergeClaims({ email: 'a@example.com', email_verified: true }, { email: 'b@example.com' }), { email: 'b@example.com' })
  t.same(mergeClaims({ email: 'a@example.com', email_verified: true }, { email: 'a@example.com' }), { email: 'a@example.com', email_verified: true })
  t.same(mergeClaims({ email_verified: true }, { email: 'b@example.com' }), { email: 'b@example.com' })
  t.same(mergeClaims({ email: 'a@example.com', email_verified: true }, {}), { email: 'a@example.com', email_verified: true })
  t.same(mergeClaims({ email: 'a@example.com', email_verified: true }, { email_verified: false }), { email: 'a@example.com', email_verified: false })
})

t.test('the claims of the ID token take precedence, whatever the userinfo endpoint states', async t => {
  const claims = fc.dictionary(fc.constantFrom('sub', 'email', 'email_verified', 'groups'), fc.oneof(fc.string(), fc.boolean()))
  fc.assert(fc.property(claims, claims, (userInfo, idToken) => {
    const merged = mergeClaims(userInfo, idToken)
    return Object.entries(idToken).every(([name, value]) => merged[name] === value)
  }))
  t.pass()
})
