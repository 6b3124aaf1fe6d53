import t from 'tap'
import { isForeign, isSafe } from '../../../lib/http/csrf.ts'

const origin = 'https://app.example.com'

t.test('only the safe methods of HTTP are safe, in their one spelling', async t => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE']) t.ok(isSafe(method), method)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'PROPFIND', 'get', '']) t.notOk(isSafe(method), method)
})

t.test('fetch metadata decides where there is any', async t => {
  for (const site of ['same-origin', 'none']) {
    t.notOk(isForeign({ 'sec-fetch-site': site }, origin), site)
    t.notOk(isForeign({ 'sec-fetch-site': site, origin: 'https://evil.example' }, origin), site)
  }
  for (const site of ['same-site', 'cross-site', 'unknown', '', 'Same-Origin', 'same-origin, same-origin', 'none, cross-site']) {
    t.ok(isForeign({ 'sec-fetch-site': site, origin }, origin), site)
  }
})

t.test('without fetch metadata the origin decides, by its exact text', async t => {
  t.notOk(isForeign({ origin }, origin))
  for (const other of ['null', '', 'https://evil.example', 'http://app.example.com', `${origin}:443`, `${origin}/`, `${origin}.evil.example`, `${origin}, ${origin}`, 'HTTPS://APP.EXAMPLE.COM']) t.ok(isForeign({ origin: other }, origin), other)
})

t.test('a request with neither comes from no browser', async t => {
  t.notOk(isForeign({}, origin))
  t.notOk(isForeign({ referer: 'https://evil.example/' }, origin))
})
