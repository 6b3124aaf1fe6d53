import t from 'tap'
import { loginAddress, readStepUp, stepUpOf, withLoginUrl } from '../../../lib/http/login-url.ts'
import { toProblem } from '../../../lib/http/problem.ts'
import { StepUpRequiredError, TokenInvalidError } from '../../../lib/errors.ts'

t.test('an address of a sign-in names where to return to, and what a step-up demands', async t => {
  t.equal(loginAddress('corp', null), '/auth/login/corp')
  t.equal(loginAddress('corp', '/a?b=c#d'), '/auth/login/corp?return_to=%2Fa%3Fb%3Dc%23d')
  t.equal(loginAddress('corp', null, { isStepUp: true, maxAgeSeconds: 0, acrValues: ['a&b', 'c'] }), '/auth/login/corp?step_up=1&max_age=0&acr_values=a%26b%20c')
  t.equal(loginAddress('corp', null, { maxAgeSeconds: 5 }), '/auth/login/corp', 'only a step-up has demands')
})

t.test('the demands of an address are read as they were written, and others are left out', async t => {
  for (const demands of [{}, { maxAgeSeconds: 0 }, { acrValues: ['a&b', 'c+d', 'urn:x'] }, { maxAgeSeconds: 300, acrValues: ['1'] }]) {
    t.same(stepUpOf(withLoginUrl(new StepUpRequiredError(), loginAddress('corp', null, { isStepUp: true, ...demands }))), demands)
  }
  for (const value of ['', '-1', '1.5', '1e3', ' 1', '1234567890', ['1'], undefined]) t.same(readStepUp({ max_age: value }), {}, String(value))
  for (const value of ['', ' a', 'a ', 'a  b', '"', '\\', 'a\r\nb', 'é', 'a'.repeat(1001), ['a'], undefined]) t.same(readStepUp({ acr_values: value }), {}, String(value))
  t.same(stepUpOf(new StepUpRequiredError()), {})
})

t.test('a problem has the address where signing in helps, and no other error has it', async t => {
  t.equal(toProblem(withLoginUrl(new StepUpRequiredError(), '/auth/login/corp')).body.login_url, '/auth/login/corp')
  t.notOk('login_url' in toProblem(withLoginUrl(new StepUpRequiredError(), null)).body)
  t.notOk('login_url' in toProblem(withLoginUrl(new TokenInvalidError(), '/auth/login/corp')).body)
})
