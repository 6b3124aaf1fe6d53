import t from 'tap'
import { LoginForbiddenError, LoginInvalidError, ProviderUnavailableError, RateLimitedError } from '../../../lib/errors.ts'
import { loginProblemPage } from '../../../lib/http/problem-page.ts'
import { toProblem } from '../../../lib/http/problem.ts'

const options = { requestId: 'req-1', loginPath: '/auth/login/corp?return_to=%2F', signInPath: '/auth/sign-in?failed', retryAfterSeconds: null }

t.test('the page of a failed sign-in explains each error, with its code, and leads to another attempt', async t => {
  const explained = new Map<new (options: { cause: Error }) => Error, RegExp>([
    [LoginInvalidError, /not completed.*Start again/],
    [LoginForbiddenError, /may not sign in here/],
    [ProviderUnavailableError, /cannot sign in there at the moment/],
    [RateLimitedError, /Nothing has changed/]
  ])
  for (const [ErrorClass, text] of explained) {
    const { body } = toProblem(new ErrorClass({ cause: new Error('the reason') }))
    const page = loginProblemPage(body, options)
    t.match(page, text)
    t.match(page, `<p>${body.status} <code>${body.code}</code></p>`)
    t.match(page, '<a href="/auth/login/corp?return_to=%2F">Try again</a> · <a href="/auth/sign-in?failed">Sign in</a>')
    t.notMatch(page, 'the reason')
  }
})

t.test('the page says how long to wait, and has no link that leads nowhere', async t => {
  const { body } = toProblem(new ProviderUnavailableError())

  t.match(loginProblemPage(body, { ...options, retryAfterSeconds: 3 }), '<p>Wait 3 seconds before you try again.</p>')
  t.match(loginProblemPage(body, { ...options, retryAfterSeconds: 1 }), '<p>Wait 1 second before you try again.</p>')
  t.notMatch(loginProblemPage(body, { ...options, loginPath: null, signInPath: null }), '<a')
  t.match(loginProblemPage(body, { ...options, loginPath: '/"><script>' }), '<a href="/&quot;&gt;&lt;script&gt;">')
})
