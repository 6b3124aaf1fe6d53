import t from 'tap'
import { createOwnCookies } from '../../../lib/http/own-cookies.ts'
import { keepForOwner, responseHeaders } from '../../../lib/proxy/response-headers.ts'

const ownCookies = createOwnCookies('portcullis')

function kept (headers: Record<string, string | string[]>): Record<string, unknown> {
  const answer = { ...headers }
  keepForOwner(answer)
  return answer
}

t.test('an answer is private unless a directive says for whom it is', async t => {
  for (const said of ['', 'max-age=60', 'no-cache', 'no-cache="set-cookie", max-age=60', 'private="set-cookie"', 'public=x', 'public="x"', 'public;x=1', 'public max-age=5', 'republic', 'x-public', 'public-x', 'x=public', 's-maxage', 's-maxage=', 's-maxage=x', 's-maxage = 60', 'no-store=x', 'no-store="x"', 'max-age=60, must-revalidate',
    'x="a, public, b"', 'x="public"', 'x="a,public,b", max-age=60', 'x="a\\", public, b"', 'x="s-maxage=60", y="private, no-store"', 'x="a, private, b"', 'x="a", y="b, public"']) {
    t.strictSame(kept({ 'cache-control': said }), { 'cache-control': `${said}, private` }, JSON.stringify(said))
  }
  t.strictSame(kept({}), { 'cache-control': 'private' })
  t.strictSame(kept({ 'cache-control': ['max-age=60', 'x="a, public"'] }), { 'cache-control': 'max-age=60,x="a, public", private' })
})

t.test('what an upstream says for whom its answer is stays as it is', async t => {
  for (const said of ['public', 'PUBLIC', 'Public, Max-Age=60', 'max-age=60,public', 's-maxage=60', 'max-age=0 , S-MaxAge=60', 'private', 'no-store', 'no-cache, no-store', 'x="a, b", public', 'public, x="a, b"', 'x="a\\"", private', ' \tpublic\t, x']) {
    t.strictSame(kept({ 'cache-control': said }), { 'cache-control': said }, JSON.stringify(said))
  }
  t.strictSame(kept({ 'cache-control': ['max-age=60', 'public'] }), { 'cache-control': 'max-age=60,public' })
})

t.test('a quote that does not close hides nothing', async t => {
  for (const said of ['x="a, public', 'x="a\\", public', '", public, max-age=60', 'max-age=60, x="', 'x"a, public, b"y']) t.strictSame(kept({ 'cache-control': said }), { 'cache-control': 'private' }, said)
})

t.test('a header for some shared caches alone is removed unless it says for whom the answer is', async t => {
  const names = ['cdn-cache-control', 'cloudflare-cdn-cache-control', 'vercel-cdn-cache-control', 'netlify-cdn-cache-control', 'fastly-cache-control', 'x-litespeed-cache-control', 'surrogate-control', 'edge-control']
  for (const name of names) {
    for (const said of ['max-age=60', 'max-age=600, stale-while-revalidate=60', 'public=?0', 'x="a, public, b"', 'x="a, public', '!no-store, cache-maxage=60s', 'content="ESI/1.0"', ['max-age=1', 'max-age=60']]) {
      t.strictSame(kept({ [name]: said, 'cache-control': 'no-store' }), { 'cache-control': 'no-store' }, `${name}: ${String(said)}`)
    }
    for (const said of ['public, max-age=60', 'no-store', 'private', 'max-age=60, s-maxage=60']) t.strictSame(kept({ [name]: said }), { 'cache-control': 'private', [name]: said }, `${name}: ${said}`)
  }
  for (const said of ['60', '@1999999999', '1', '']) t.strictSame(kept({ 'x-accel-expires': said }), { 'cache-control': 'private' }, said)
  t.strictSame(kept({ 'x-accel-expires': '0' }), { 'cache-control': 'private', 'x-accel-expires': '0' })
  t.strictSame(kept({ 'surrogate-key': 'a b', expires: '0', etag: '"x"' }), { 'cache-control': 'private', 'surrogate-key': 'a b', expires: '0', etag: '"x"' })
})

t.test('an upstream cannot set our cookies under any spelling', async t => {
  for (const line of ['portcullis=x', 'PORTCULLIS=x; Path=/', '__Host-Http-portcullis=; Max-Age=0', ' __secure-portcullis-refresh = x; Domain=example.com', '=portcullis=x', '==__host-portcullis-device=x', 'portcullis-refresh;a']) t.equal(ownCookies.areSetBy(line), true, line)
  for (const line of ['a=1', 'portcullisx=1', 'x-portcullis=1', 'a=portcullis=1']) t.equal(ownCookies.areSetBy(line), false, line)
})

t.test('responses keep everything but hop-by-hop headers and our cookies, in order', async t => {
  t.same(responseHeaders({ connection: 'X-Named', 'x-named': '1', 'keep-alive': 'x', trailer: 'x', 'transfer-encoding': 'chunked', etag: 'e', 'set-cookie': ['a=1', 'portcullis=x', 'b=2'], date: 'd' }, 200, {}, ownCookies),
    ['etag', 'e', 'set-cookie', ['a=1', 'b=2'], 'date', 'd'])
  t.same(responseHeaders({ 'set-cookie': ['portcullis=x'] }, 200, {}, ownCookies), [])
  t.same(responseHeaders({ 'content-length': '5' }, 204, {}, ownCookies), [])
})

t.test('clearing cookies is ours alone', async t => {
  for (const [value, left] of [['"cookies"', []], ['"*"', []], ['"cache", "Cookies" , "storage"', ['clear-site-data', '"cache", "storage"']], ['"cache"', ['clear-site-data', '"cache"']]] as const) {
    t.same(responseHeaders({ 'clear-site-data': value }, 200, {}, ownCookies), left, value)
  }
})

t.test('our own response headers replace the upstream\'s but for Set-Cookie and Vary', async t => {
  t.same(responseHeaders({ 'x-a': 'theirs', vary: 'Accept', 'set-cookie': ['a=1'] }, 200, { 'x-a': 'ours', vary: 'Origin', 'set-cookie': ['portcullis=x'], retry: 1, none: undefined }, ownCookies),
    ['vary', 'Accept', 'set-cookie', ['a=1'], 'x-a', 'ours', 'vary', 'Origin', 'set-cookie', ['portcullis=x'], 'retry', '1'])
})
