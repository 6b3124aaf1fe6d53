import t from 'tap'
import * as errors from '../../../lib/errors.ts'
import { toProblem } from '../../../lib/http/problem.ts'

const secret = 'hunter2'

t.test('each error of ours keeps its code, status and constant message', async t => {
  for (const [name, Class] of Object.entries(errors)) {
    if (Class === errors.ConfigInvalidError) continue
    const error = new Class({ cause: new Error(secret) })
    const { status, body, headers } = toProblem(error)
    t.equal(status, error.statusCode, name)
    t.match(body, { status: error.statusCode, code: error.code, title: error.message }, name)
    t.equal(body.type, `urn:portcullis:error:${error.code.toLowerCase().replaceAll('_', '-')}`, name)
    t.equal(headers['cache-control'], 'no-store', name)
    t.equal(headers['content-type'], 'application/problem+json; charset=utf-8', name)
    t.equal(headers['www-authenticate'] !== undefined, status === 401 || name === 'ScopeInsufficientError', name)
    t.notMatch(JSON.stringify(body), secret, name)
  }
})

t.test('whatever is not meant for clients is one constant answer', async t => {
  const constant = toProblem(new errors.InternalError()).body
  for (const error of [
    new Error(secret), new TypeError(secret), secret, null, undefined, 42, { message: secret }, new errors.ConfigInvalidError(secret),
    Object.assign(new Error(secret), { statusCode: 500, code: 'MINE', headers: { 'x-secret': secret } }), Object.assign(new Error(secret), { statusCode: 503, code: 'FST_UNDER_PRESSURE' }),
    Object.assign(new Error(secret), { statusCode: 200 }), Object.assign(new Error(secret), { statusCode: '400' }), Object.assign(new Error(secret), { code: 'PTC_ERR_X' })
  ]) {
    const problem = toProblem(error)
    t.same(problem.body, constant)
    t.notMatch(JSON.stringify(problem), secret)
  }
})

t.test('errors of Fastify become ours', async t => {
  for (const [code, statusCode, expected, status] of [
    ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 415, 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED', 415],
    ['FST_ERR_CTP_BODY_TOO_LARGE', 413, 'PTC_ERR_BODY_TOO_LARGE', 413],
    ['FST_ERR_CTP_EMPTY_JSON_BODY', 400, 'PTC_ERR_REQUEST_INVALID', 400],
    ['FST_ERR_HANDLER_TIMEOUT', 503, 'PTC_ERR_REQUEST_TIMEOUT', 408],
    ['FST_ERR_BAD_URL', 400, 'PTC_ERR_PATH_REFUSED', 400],
    ['FST_ERR_MAX_PARAM_LENGTH', 414, 'PTC_ERR_NOT_FOUND', 404],
    ['FST_ERR_NOT_FOUND', 404, 'PTC_ERR_NOT_FOUND', 404],
    ['FST_JWT_NO_AUTHORIZATION_IN_HEADER', 401, 'PTC_ERR_CREDENTIALS_MISSING', 401],
    ['FST_JWT_AUTHORIZATION_TOKEN_UNTRUSTED', 401, 'PTC_ERR_TOKEN_INVALID', 401],
    ['FAST_JWT_MISSING_SIGNATURE', 401, 'PTC_ERR_TOKEN_INVALID', 401],
    [undefined, 429, 'PTC_ERR_RATE_LIMITED', 429],
    [undefined, 417, 'PTC_ERR_REQUEST_INVALID', 417]
  ] as const) {
    const { body } = toProblem(Object.assign(new Error(secret), { code, statusCode }))
    t.match(body, { code: expected, status }, expected)
    t.notMatch(JSON.stringify(body), secret)
  }
})

t.test('a failed validation names the field and never a value', async t => {
  const invalid = (validation: object) => toProblem(Object.assign(new Error(secret), { code: 'FST_ERR_VALIDATION', statusCode: 400, validation: [validation], validationContext: 'body' })).body

  t.equal(invalid({ instancePath: '', keyword: 'required', params: { missingProperty: 'username' } }).detail, 'body/username is required')
  t.equal(invalid({ instancePath: '/mode', keyword: 'enum', params: { allowedValues: [secret] } }).detail, 'body/mode is not valid')
  t.equal(invalid({ instancePath: '', keyword: 'additionalProperties', params: { additionalProperty: secret } }).detail, 'body has a member too many')
})

t.test('an application keeps its own codes, and its message when it says that it may be seen', async t => {
  t.match(toProblem(Object.assign(new Error(secret), { code: 'APP_CONFLICT', statusCode: 409 })).body, { code: 'APP_CONFLICT', status: 409, title: 'Conflict', detail: undefined })
  t.match(toProblem(Object.assign(new Error('Taken'), { code: 'APP_CONFLICT', statusCode: 409, expose: true })).body, { detail: 'Taken' })
})

t.test('headers travel on the error, and 503 always says when to come back', async t => {
  const stepUp = Object.assign(new errors.StepUpRequiredError(), { headers: { 'WWW-Authenticate': 'Bearer max_age="60"', 'X-N': 1, odd: {} } })
  t.match(toProblem(stepUp).headers, { 'www-authenticate': 'Bearer max_age="60"', 'x-n': '1' })
  t.notOk('odd' in toProblem(stepUp).headers)
  t.equal(toProblem(new errors.StoreUnavailableError(), 3).headers['retry-after'], '3')
  t.match(toProblem(new errors.StoreUnavailableError()).headers['retry-after'], /^[1-5]$/)
  t.equal(toProblem(Object.assign(new errors.StoreUnavailableError(), { headers: { 'retry-after': '9' } })).headers['retry-after'], '9')
})
