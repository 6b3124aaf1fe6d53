import t from 'tap'
import { password, signIn, startGateway } from '../helpers/build-gateway.ts'
import { inputOf, navigation, open, submit } from '../helpers/forms.ts'
import { sendRaw } from '../helpers/proxy.ts'

/*
 * A link to the real sign-in page of the real site, which after the real password leads to the attacker's copy: "wrong password, try
 * again". Filters of redirects fail where browsers read an address in another way than servers do: two slashes, a backslash for a
 * slash, tabs and line breaks that are dropped, user names before an @, escapes that the next server decodes. Others lead to pages
 * that sign out, or that lead on for ever.
 */

const hostile = [
  'https://evil.example', 'http://evil.example', '//evil.example', '///evil.example', '////evil.example', '/\\evil.example', '\\/evil.example', '\\\\evil.example', '/\\/evil.example', '/\\\\evil.example', '\\evil.example',
  '/\t/evil.example', '/\n/evil.example', '/\r/evil.example', '/\t\\evil.example', '\t//evil.example', ' //evil.example', '\u0000//evil.example', '/\u0000/evil.example', '/\u00a0/evil.example', '/\u200b/evil.example', '/\u2028/evil.example', '//\u3002evil.example', '/\uff0fevil.example',
  '/%09/evil.example', '/%0a/evil.example', '/%0d%0aSet-Cookie:x=y', '/%0d%0a%0d%0a<script>', '/%2f/evil.example', '/%2fevil.example', '/%2F%2Fevil.example', '/%5cevil.example', '/%5C/evil.example', '/%252fevil.example', '/%00/evil.example', '%2f%2fevil.example', '/.%2f/evil.example',
  '/./evil.example', '/.//evil.example', '/..//evil.example', '/../evil.example', '/x/..//evil.example', '/x/../..//evil.example', '/;//evil.example', '/;@evil.example', '/x;y', '.evil.example', '@evil.example', '/.//@evil.example', ':80', ':@evil.example', 'https:evil.example', 'https:/evil.example', 'https:///evil.example', 'https:\\evil.example',
  'app.example.com.evil.example', 'https://app.example.com@evil.example', 'https://app.example.com.evil.example', 'https://app.example.com:443@evil.example', 'https://app.example.com', 'HTTPS://evil.example', 'javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'java\tscript:alert(1)', 'data:text/html,x', 'vbscript:x', 'blob:x', 'mailto:x', '?x', '#x', '',
  '/auth/sign-in', '/auth/sign-in?return_to=//evil.example', '/%61uth/sign-in', '/auth/%73ign-in', '/auth', '/auth/', '/auth/logout', '/auth/session', '/auth/style.css', `/${'a'.repeat(13_000)}`
]

t.test('whatever one is asked to return to, it is a path of the own origin', async t => {
  const { url } = await startGateway(t, { pages: true, session: { maxPerSubject: 1000 } })
  const { cookie } = await signIn(url)

  for (const [at, text] of hostile.entries()) {
    const query = `return_to=${encodeURIComponent(text)}`
    const title = `${at}: ${encodeURI(text).slice(0, 60)}`
    t.equal(inputOf(await (await open(`${url}/auth/sign-in?${query}`)).text(), 'return_to'), '/auth/account', `${title} in the form`)
    t.equal((await open(`${url}/auth/sign-in?${query}`, { cookie })).headers.get('location'), '/auth/account', `${title} when signed in`)
    t.equal((await submit(`${url}/auth/sign-in`, { username: 'ada', password, return_to: text })).headers.get('location'), '/auth/account', `${title} after the password`)
  }
  for (const query of ['return_to=/orders&return_to=//evil.example', 'return_to[]=//evil.example', 'return_to', 'return_to=/\\evil.example', 'return_to=/%09/evil.example', 'RETURN_TO=/orders', 'return_to=/%2509/evil.example']) {
    t.equal((await open(`${url}/auth/sign-in?${query}`, { cookie })).headers.get('location'), '/auth/account', query)
  }
})

t.test('the address that a visitor is led away from never leads elsewhere', async t => {
  const { url } = await startGateway(t, { pages: true, upstreams: [{ prefix: '/', target: 'http://127.0.0.1:9', audience: 'all' }] })
  const port = Number(new URL(url).port)
  const lines = Object.entries(navigation).map(([name, value]) => `${name}: ${value}\r\n`).join('')

  const targets = { '/': 303, '/x?//evil.example': 303, '/x?a=%0d%0aLocation:x': 303, '/x?"><script>': 303, '/@evil.example': 303, '//evil.example': 400, '/\\evil.example': 400, 'http://evil.example/': 400, 'https://evil.example/x': 400, '/%0d%0aLocation:%20//evil.example': 400, '/x?\xe9': 400 }
  for (const [target, status] of Object.entries(targets)) {
    const answer = await sendRaw(t, port, `GET ${target} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n${lines}\r\n`).ended
    const [, location = null] = /^location: (.*)\r$/im.exec(answer) ?? []
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), target)
    if (status === 303) t.match(location, /^\/auth\/sign-in(?:\?return_to=%2F[\w.~%!*'()-]*)?$/, target)
    else t.equal(location, null, target)
    t.notMatch(answer.replace(/^location: .*\r$/im, ''), /evil\.example|<script>/)
  }
})

t.test('a password is never sent on: the way back is asked for with GET', async t => {
  const { url } = await startGateway(t, { pages: true })
  const { cookie } = await signIn(url)
  for (const response of [
    await submit(`${url}/auth/sign-in`, { username: 'ada', password, return_to: '/orders' }),
    await submit(`${url}/auth/sign-in`, { step_up: '1', password, return_to: '/orders' }, { cookie })
  ]) t.same([response.status, response.headers.get('location'), await response.text()], [303, '/orders', ''])
})
