import t from 'tap'
import { loopName, neverForwardedWith, passedHops, requestHeaders } from '../../../lib/proxy/request-head.ts'
import { createOwnCookies } from '../../../lib/http/own-cookies.ts'

const ownCookies = createOwnCookies('portcullis')
const policy = { keepAuthorization: false, ownCookies }

const tokenOf = (payload: unknown): string => `eyJh.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.c2ln`

t.test('a kept Authorization header is removed if it has a token of an issuer of the gateway, in any scheme and spelling', async t => {
  const kept = { ...policy, keepAuthorization: true, ownIssuers: ['https://app.example.com', 'https://b.example.com'] }
  const own = tokenOf({ iss: 'https://app.example.com', sub: 'ada' })
  const removed = [`Bearer ${own}`, `bearer ${own}`, `BEARER   ${own} `, `Bearer\t${own}`, `Token ${own}`, `Token token="${own}"`, own, `Basic a, Bearer ${own}`, `Bearer ${tokenOf({ sub: 'ada', iss: 'https://b.example.com' })}`, `DPoP ${own}`, `Bearer ${own},`]
  for (const authorization of removed) t.same(requestHeaders({ authorization, 'x-kept': '1' }, [], kept), ['x-kept', '1'], authorization)

  const foreign = [{ iss: 'https://idp.example.com' }, { iss: ['https://app.example.com'] }, { iss: 'https://app.example.com/' }, { sub: 'https://app.example.com' }, { iss: null }, null, [], 5, 'https://app.example.com'].map(tokenOf)
  for (const authorization of [...foreign.map(token => `Bearer ${token}`), 'Basic YTpi', 'Bearer a.b.c', 'Bearer ...', 'Bearer a.%.c', 'Bearer ', '', 'Digest x=1', `Bearer ${'a.'.repeat(8000)}`, `Bearer ${own}.${own}`]) {
    t.same(requestHeaders({ authorization }, [], kept), ['authorization', authorization], authorization.slice(0, 60))
  }
  t.same(requestHeaders({ authorization: `Bearer ${own}` }, ['authorization', 'Bearer minted'], kept), ['authorization', 'Bearer minted'])
})

t.test('hop-by-hop headers and those that Connection names are the client\'s alone', async t => {
  const forwarded = requestHeaders({
    connection: 'close , X-Named,,\tAuthorization',
    'x-named': '1',
    'keep-alive': 'timeout=5',
    'proxy-connection': 'keep-alive',
    te: 'trailers',
    trailer: 'x',
    'transfer-encoding': 'chunked',
    upgrade: 'h2c',
    'http2-settings': 'x',
    expect: '100-continue',
    host: 'a',
    'proxy-authorization': 'x',
    'x-kept': '2'
  }, [], { ...policy, keepAuthorization: true })

  t.same(forwarded, ['x-kept', '2'])
})

t.test('what we add is never taken away, whatever Connection names', async t => {
  const ours = ['authorization', 'Bearer ours', 'x-forwarded-for', '127.0.0.1', 'x-own', '1']

  t.same(requestHeaders({ connection: 'Authorization, X-Forwarded-For, X-Own', authorization: 'Bearer client' }, ours, policy), ours)
})

t.test('client copies of what we add are removed in every spelling', async t => {
  const names = ['x-forwarded-for', 'x-forwarded-anything', 'x_forwarded_for', 'x-forwarded_host', 'forwarded', 'x-real-ip', 'x_real_ip', 'x-auth-subject', 'x_auth-session', 'x-auth_scope', 'x-request-id', 'x_request_id', 'content_length', 'transfer_encoding', 'content_type', 'x-own', 'x_own', 'authorization']
  const client = Object.fromEntries(names.map(name => [name, 'client']))

  t.same(requestHeaders({ ...client, x_other: 'kept', 'x-auth-token': 'kept', via: '1.1 a' }, ['x-own', 'ours'], policy), ['x_other', 'kept', 'x-auth-token', 'kept', 'via', '1.1 a', 'x-own', 'ours'])
})

t.test('a name that a server reads as one of ours is removed, however its words are joined', async t => {
  const ours = ['x-own', 'ours', 'x_odd.name', 'ours']
  const names = [
    'x-auth-subject', 'x-auth-session', 'x-auth-scope', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'forwarded', 'x-real-ip', 'x-request-id', 'x-original-url', 'x-rewrite-url', 'client-cert', 'client-cert-chain', 'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer',
    'transfer-encoding', 'upgrade', 'expect', 'host', 'proxy-authorization', 'content-length', 'content-type', 'cookie', 'authorization', 'sec-secure-session-id', 'x-own', 'x-odd-name'
  ]
  for (const other of ['.', '_', '!', '#', '$', '%', '&', '\'', '*', '+', '^', '`', '|', '~', '--', '-_', '..', '_.-']) {
    const spellings = names.flatMap(name => [name.replaceAll('-', other), name.replace('-', other), `${name}${other}`, `${other}${name}`, `${other}${name.replaceAll('-', other)}${other}`])
    for (const spelling of spellings) {
      if (!names.includes(spelling)) {
        t.same(requestHeaders({ [spelling]: 'client', 'x-kept': '1' }, ours, { ...policy, keepAuthorization: true }), ['x-kept', '1', ...ours], spelling)
      }
    }
  }
  for (const name of ['x-auth', 'x.auth', 'auth.subject', 'x-auth-subject2', 'x.auth.subjects', 'x_custom', 'dotted.name', 'content_language', 'a!', '!', '-', 'x-authsubject']) t.same(requestHeaders({ [name]: 'client' }, ours, policy), [name, 'client', ...ours], name)
})

t.test('Connection names a header in every spelling that is read as it', async t => {
  t.same(requestHeaders({ connection: 'x-private', 'x.private': '1', x_private: '1', 'x-private': '1', 'x-kept': '1' }, [], policy), ['x-kept', '1'])
  t.same(requestHeaders({ connection: 'close, X.Private', 'x-private': '1', 'x-kept': '1' }, [], policy), ['x-kept', '1'])
})

t.test('the client\'s Authorization passes when it is kept, unless we send one', async t => {
  t.same(requestHeaders({ authorization: 'Basic a' }, [], { ...policy, keepAuthorization: true }), ['authorization', 'Basic a'])
  t.same(requestHeaders({ authorization: 'Basic a' }, [], policy), [])
  t.same(requestHeaders({ authorization: 'Basic a' }, ['authorization', 'Bearer b'], { ...policy, keepAuthorization: true }), ['authorization', 'Bearer b'])
})

t.test('Portcullis cookies are taken out and the others stay as they came', async t => {
  for (const [header, others] of [
    ['a=1; b=2', 'a=1; b=2'], ['__Host-Http-portcullis=x', null], ['a=1; portcullis=x; b="2 ; 3"', 'a=1; b="2 ; 3"'], ['portcullis=x;a=1', 'a=1'], ['a=1;portcullis-refresh=x', 'a=1'],
    ['__HOST-PORTCULLIS=x; __secure-portcullis-refresh=y; __Host-Portcullis-Device=z; a=1', 'a=1'], ['portcullis =x; a=1', 'a=1'], ['=portcullis=x; a=1', 'a=1'],
    ['myportcullis=1; portcullis2=2; a=portcullis', 'myportcullis=1; portcullis2=2; a=portcullis'], ['portcullis; a', 'a']
  ] as const) t.equal(ownCookies.without(header), others, header)
  t.same(requestHeaders({ cookie: 'portcullis=x' }, [], policy), [])
})

t.test('the former names, and those of a configured name, are taken out and cannot be set', async t => {
  t.equal(ownCookies.without('__Host-portcullis=x; __host-PORTCULLIS-device=y; a=1'), 'a=1')
  t.equal(ownCookies.areSetBy('__Host-portcullis=x'), true)
  const named = createOwnCookies('orders')
  t.equal(named.without('__Host-Http-orders=x; __Host-orders=x; __Secure-orders-refresh=y; orders-device=z; portcullis=1'), 'portcullis=1')
  for (const line of ['__Host-Http-orders=x', 'ORDERS-refresh=x', '__host-orders=x']) t.equal(named.areSetBy(line), true, line)
  for (const line of ['__Host-Http-portcullis=x', 'orders2=x', 'my-orders=x']) t.equal(named.areSetBy(line), false, line)
})

t.test('a header that carries a credential of the gateway reaches no upstream, however it is spelt', async t => {
  const never = neverForwardedWith(['x-key'])

  t.same(requestHeaders({ 'x-key': 'k', x_key: 'k', 'x-kept': '1', 'x-request-id': 'r' }, [], { ...policy, never }), ['x-kept', '1'])
  t.same(requestHeaders({ 'x-key': 'k' }, [], policy), ['x-key', 'k'])
})

t.test('every hop has a name of its own, which is a token of HTTP', async t => {
  const names = Array.from({ length: 100 }, loopName)

  t.equal(new Set(names).size, 100)
  for (const name of names) t.match(name, /^portcullis-[\da-f]{16}$/)
})

t.test('hops are told in their order, and null where the own name is among them', async t => {
  t.equal(passedHops(undefined, 'b'), 'b')
  t.equal(passedHops('', 'b'), ', b')
  t.equal(passedHops('a; x=1', 'b'), 'a; x=1, b')
  for (const before of ['b', 'a, b', 'b, a', ['a', 'b']]) t.equal(passedHops(before, 'b'), null, String(before))
})
