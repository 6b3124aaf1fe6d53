import t from 'tap'
import fc from 'fast-check'
import { mapToPublic, mapToUpstream, publicAddress, publicCookie, publicPlace, publicRefresh, upstreamDestination } from '../../../lib/proxy/public-address.ts'

const origin = 'https://app.example.com'
const target = 'http://10.0.0.1:3001'
const same = publicPlace({ origin, prefix: '/n', base: '/n', targets: [target, 'https://wiki.internal'], passesHost: true })
const moved = publicPlace({ origin, prefix: '/wiki', base: '/', targets: [target], passesHost: true })
const deep = publicPlace({ origin, prefix: '/wiki', base: '/app/v1', targets: [target], passesHost: false })

t.test('addresses of every target, and of the public host at a target\'s port, become paths that browsers see', async t => {
  for (const [address, mapped] of [
    [`${target}/n/sub/`, '/n/sub/'], [`${target}`, '/'], [`${target}?q`, '/?q'], [`${target}#f`, '/#f'], ['HTTP://10.0.0.1:3001/x', '/x'], ['https://wiki.internal/x', '/x'], ['https://wiki.internal:443/x', '/x'],
    ['http://app.example.com:3001/n/sub/', '/n/sub/'], ['http://app.example.com/n/sub/', '/n/sub/'], ['https://app.example.com/n/', '/n/'],
    ['http://10.0.0.1:3002/x', 'http://10.0.0.1:3002/x'], ['http://10.0.0.1/x', 'http://10.0.0.1/x'], ['https://other.example/n/', 'https://other.example/n/'], ['http://10.0.0.1:3001@evil.example/', 'http://10.0.0.1:3001@evil.example/'],
    ['http://user@10.0.0.1:3001/x', 'http://user@10.0.0.1:3001/x'], ['http://10.0.0.1:3001.evil.example/', 'http://10.0.0.1:3001.evil.example/'], ['//10.0.0.1:3001/x', '//10.0.0.1:3001/x'], ['sub/', 'sub/'], ['../x', '../x'], ['?q', '?q'], [`${target}/../x`, '/x'], [`${target}/n/../../x?y#z`, '/x?y#z'], [`${target}/n/%2e%2e/x`, '/x'], ['', ''], ['mailto:a@b', 'mailto:a@b'], ['/n/x', '/n/x'], ['/else', '/else']
  ] as const) t.equal(publicAddress(address, same), mapped, address)
  t.equal(publicAddress('http://app.example.com:3001/x', deep), 'http://app.example.com:3001/x', 'a host that was not passed on')
})

t.test('paths under the replaced prefix get the public one, unless they have it', async t => {
  for (const [address, mapped] of [
    ['/', '/wiki/'], ['/x?a=/y', '/wiki/x?a=/y'], ['/?q', '/wiki/?q'], ['/wiki', '/wiki'], ['/wiki/x', '/wiki/x'], ['/wiki?x', '/wiki?x'], ['/wikis', '/wiki/wikis'], ['//other.example/', '//other.example/'], ['/\\other.example', '/\\other.example'],
    [`${target}/x`, '/wiki/x'], [`${target}/wiki/x`, '/wiki/x'], [target, '/wiki/'], ['x/y', 'x/y'], ['/a/../../b', '/wiki/b'], ['/a/%2e%2e/b?c#d', '/wiki/b?c#d'],
    [`${origin}/login`, `${origin}/wiki/login`], [`${origin}/wiki/login`, `${origin}/wiki/login`], [`${origin}/auth/sign-in?return_to=/wiki/`, `${origin}/auth/sign-in?return_to=/wiki/`], ['https://app.example.com:8443/login', 'https://app.example.com:8443/login']
  ] as const) t.equal(publicAddress(address, moved), mapped, address)
  for (const [address, mapped] of [['/app/v1', '/wiki'], ['/app/v1/x', '/wiki/x'], ['/app/v1?q', '/wiki?q'], ['/app/v12', '/app/v12'], ['/login', '/login'], [`${target}/app/v1/`, '/wiki/'], [`${target}/login`, '/login']] as const) t.equal(publicAddress(address, deep), mapped, address)
  t.equal(publicAddress(`${origin}/app/v1/x`, deep), `${origin}/app/v1/x`, 'a host that was not passed on')
  const root = publicPlace({ origin, prefix: '/', base: '/app', targets: [target], passesHost: true })
  for (const [address, mapped] of [['/app', '/'], ['/app/', '/'], ['/app/x', '/x'], ['/app//x', '/x'], ['/app/\\evil.example', '/evil.example'], ['/app?q', '/?q']] as const) t.equal(publicAddress(address, root), mapped, address)
})

t.test('no mapped address leads to another host', async () => {
  const piece = fc.constantFrom('/', '\\', '//', '.', '..', '@', ':', '?', '#', 'evil.example', 'wiki', 'app/v1', '\t', ' ', '%2f', target)
  const base = `${origin}/wiki/page`
  fc.assert(fc.property(fc.constantFrom(same, moved, deep), fc.constantFrom('', target, 'http://app.example.com', 'http://app.example.com:3001'), fc.array(piece, { maxLength: 6 }), (place, start, pieces) => {
    const address = start + pieces.join('')
    const mapped = publicAddress(address, place)
    return mapped === address || URL.parse(mapped, base)?.origin === origin
  }), { numRuns: 20_000 })
})

t.test('Refresh is mapped, with and without quotes', async t => {
  for (const [value, mapped] of [
    [`5; url=${target}/x`, '5; url=/wiki/x'], [`0;URL='${target}/x'`, '0;URL=\'/wiki/x\''], ['5; url="/x"', '5; url="/wiki/x"'], ['5', '5'], ['5; url=https://other.example/', '5; url=https://other.example/'], ['5; url="/x', '5; url="/x'], ['5; url=/x  ', '5; url=/wiki/x  '], [`3, ${target}/x`, '3, /wiki/x'], ['0 url=/x', '0 url=/wiki/x'], ['0 /x', '0 /wiki/x'], ['x', 'x']
  ] as const) t.equal(publicRefresh(value, moved), mapped, value)
})

t.test('the path of a cookie follows its upstream, except where its name demands the root', async t => {
  for (const [line, mapped] of [
    ['a=1; Path=/', 'a=1; Path=/wiki'], ['a=1; path=/x; Secure', 'a=1; path=/wiki/x; Secure'], ['a=1;Path = /x', 'a=1;Path = /wiki/x'], ['a=1; Path=/wiki', 'a=1; Path=/wiki'], ['a=1; Path=/wiki/x', 'a=1; Path=/wiki/x'], ['a=1', 'a=1'], ['a=1; Path=', 'a=1; Path='], ['a=1; Path=x', 'a=1; Path=x'],
    ['__Host-a=1; Path=/; Secure', '__Host-a=1; Path=/; Secure'], ['__host-http-a=1; Path=/', '__host-http-a=1; Path=/'], ['a="; Path=/x"', 'a="; Path=/wiki/x"']
  ] as const) t.equal(publicCookie(line, moved), mapped, line)
  for (const [line, mapped] of [['a=1; Path=/app/v1', 'a=1; Path=/wiki'], ['a=1; Path=/app/v1/', 'a=1; Path=/wiki'], ['a=1; Path=/', 'a=1; Path=/'], ['a=1; Path=/app', 'a=1; Path=/app']] as const) t.equal(publicCookie(line, deep), mapped, line)
  t.equal(publicCookie('a=1; Path=/', same), 'a=1; Path=/')
  const root = publicPlace({ origin, prefix: '/', base: '/jenkins', targets: [target], passesHost: true })
  for (const [path, mapped] of [['/jenkins', '/'], ['/jenkins/', '/'], ['/jenkins/a', '/a'], ['/', '/'], ['/other', '/other']] as const) t.equal(publicCookie(`a=1; Path=${path}; Secure`, root), `a=1; Path=${mapped}; Secure`, path)
})

t.test('Destination of WebDAV becomes an address of the upstream', async t => {
  const seen = 'http://app.example.com'
  for (const [address, mapped] of [
    [`${origin}/wiki/b.txt`, `${seen}/b.txt`], [`${origin}/wiki/a/100%2525.txt`, `${seen}/a/100%2525.txt`], ['/wiki/b.txt', '/b.txt'], [`${origin}/wiki`, `${seen}/`], [`${origin}/wikis/b`, `${origin}/wikis/b`],
    ['https://other.example/wiki/b', 'https://other.example/wiki/b'], ['http://app.example.com/wiki/b', 'http://app.example.com/wiki/b'], ['//app.example.com/wiki/b', '//app.example.com/wiki/b'], ['b.txt', 'b.txt']
  ] as const) t.equal(upstreamDestination(address, moved, seen), mapped, address)
  t.equal(upstreamDestination(`${origin}/n/b`, same, target), `${target}/n/b`)
})

t.test('the resources that an If header of WebDAV tags become those of the upstream, and its tokens stay', async t => {
  const seen = 'http://app.example.com'
  for (const [value, mapped] of [
    [`<${origin}/wiki/a> (<opaquelocktoken:1>)`, `<${seen}/a> (<opaquelocktoken:1>)`], ['</wiki/a> (Not <urn:x> ["etag"]) </other> (<y>)', '</a> (Not <urn:x> ["etag"]) </other> (<y>)'],
    ['(</wiki/a>)', '(</wiki/a>)'], [`<${origin}/other>`, `<${origin}/other>`], ['x', 'x']
  ] as const) t.strictSame(mapToUpstream(['if', value, 'x-if', value], moved, seen), ['if', mapped, 'x-if', value], value)
})

t.test('all headers with addresses are mapped, and no other', async t => {
  const headers = { location: `${target}/x`, 'content-location': '/y', refresh: '1; url=/z', 'set-cookie': ['a=1; Path=/', 'b=2'], link: `<${target}/x>` }
  mapToPublic(headers, moved)
  t.strictSame(headers, { location: '/wiki/x', 'content-location': '/wiki/y', refresh: '1; url=/wiki/z', 'set-cookie': ['a=1; Path=/wiki', 'b=2'], link: `<${target}/x>` })
  const none = {}
  mapToPublic(none, moved)
  t.strictSame(none, {})
})
