import t from 'tap'
import { bearerChallenge, challengeFor } from '../../../lib/http/challenge.ts'

t.test('a challenge says what is demanded', async t => {
  t.equal(bearerChallenge(), 'Bearer')
  t.equal(bearerChallenge({ error: 'insufficient_scope', scopes: ['orders:read', 'orders:write'] }), 'Bearer error="insufficient_scope", scope="orders:read orders:write"')
  t.equal(bearerChallenge({ error: 'insufficient_user_authentication', maxAgeSeconds: 300, acrValues: ['pwd', 'mfa'] }), 'Bearer error="insufficient_user_authentication", max_age="300", acr_values="pwd mfa"')
})

t.test('nothing gets out of its quotes', async t => {
  t.equal(bearerChallenge({ scopes: ['a"b\\c\r\nX: é'] }), 'Bearer scope="a\\"b\\\\cX: "')
})

t.test('each code has its challenge', async t => {
  const demand = { scopes: ['a'], maxAgeSeconds: 60, acrValues: ['mfa'] }
  t.equal(challengeFor('PTC_ERR_CREDENTIALS_MISSING'), 'Bearer')
  t.equal(challengeFor('PTC_ERR_CREDENTIALS_MISSING', demand), 'Bearer scope="a"')
  t.equal(challengeFor('PTC_ERR_TOKEN_INVALID', demand), 'Bearer error="invalid_token"')
  t.equal(challengeFor('PTC_ERR_SCOPE_INSUFFICIENT', demand), 'Bearer error="insufficient_scope", scope="a"')
  t.equal(challengeFor('PTC_ERR_STEP_UP_REQUIRED', demand), 'Bearer error="insufficient_user_authentication", max_age="60", acr_values="mfa"')
  t.equal(challengeFor('PTC_ERR_STEP_UP_REQUIRED'), 'Bearer error="insufficient_user_authentication"')
  for (const code of ['PTC_ERR_SESSION_INVALID', 'PTC_ERR_LOGIN_REFUSED', 'PTC_ERR_REFRESH_REFUSED']) t.equal(challengeFor(code), 'Bearer', code)
  t.equal(challengeFor('PTC_ERR_CSRF_REFUSED'), null)
})
