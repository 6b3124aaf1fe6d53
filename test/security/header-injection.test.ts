import t, { type Test } from 'tap'
import { password, setCookies, startGateway } from '../helpers/build-gateway.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startRawUpstream, startUpstream } from '../helpers/upstream.ts'

/*
 * What somebody may choose (a name, a header, a path, an audience, a scope) comes back in a header of an answer or of a request to a
 * service, and a line break in it begins a header, a cookie or an answer of theirs: a session cookie for the victim, a subject of
 * somebody else for the service, a page in a cache.
 *
 * Every place is filled with line breaks in all spellings, and the bytes on both sides are looked at.
 */

const payload = 'X-Injected: 1\r\nSet-Cookie: __Host-Http-portcullis=planted; Path=/; Secure'
const breaks = ['\r\n', '\n', '\r', '%0d%0a', '%0D%0A', '%0a', '\\r\\n', '\u2028', '\u560d\u560a', '\u0085', '\0', '\r\n\r\n', '\t', '\v', '%E5%98%8D%E5%98%8A']

/** The header lines of an answer, cut at the line breaks that clients and proxies know. */
function lines (answer: string): string[] {
  return answer.slice(0, answer.indexOf('\r\n\r\n')).split(/\r\n|\r|\n/).slice(1)
}

function assertClean (t: Test, answer: string, what: string): void {
  t.match(answer, /^HTTP\/1\.1 \d{3} /, what)
  t.notOk(lines(answer).some(line => /^(?:x-injected|set-cookie: __Host-Http-portcullis=planted)/i.test(line)), `${what}: ${answer.slice(0, 300)}`)
  // One status line: nothing after the first answer is a second one.
  t.equal(answer.match(/^HTTP\/1\.1 /gm)?.length, 1, what)
  t.same(lines(answer).filter(line => !/^[\w-]+: [\t\x20-\x7e\x80-\xff]*$/.test(line)), [], `${what}: plain lines alone`)
}

const utf8 = (text: string) => Buffer.from(text).toString('latin1')

function bytes (line: string, head: string[], body = ''): string {
  return [`${line} HTTP/1.1`, 'Host: app.example.com', 'Connection: close', ...head, '', body].join('\r\n')
}

t.test('nothing that a client says begins a header or an answer', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, { cors: { origins: ['https://spa.example.com'] }, upstreams: [{ prefix: '/open', target: upstream.url, access: 'public', forward: 'headers' }] })
  const port = Number(new URL(url).port)

  for (const separator of breaks) {
    const text = utf8(`zebra${separator}${payload}`)
    const json = (body: object) => {
      const sent = utf8(JSON.stringify(body))
      return bytes('POST /auth/login', ['Content-Type: application/json', `Content-Length: ${sent.length}`], sent)
    }
    const bare = text.replaceAll(/[\r\n\0\v]/g, '')
    const requests: Array<[what: string, sent: string]> = [
      ['a user name', json({ username: `zebra${separator}${payload}`, password })],
      ['an audience', json({ username: 'ada', password, audience: [`zebra${separator}${payload}`] })],
      ['a mode', json({ username: 'ada', password, mode: `zebra${separator}${payload}` })],
      ['a member', json({ [`zebra${separator}${payload}`]: 1 })],
      ['the headers of a preflight', bytes('OPTIONS /open', ['Origin: https://spa.example.com', 'Access-Control-Request-Method: POST', `Access-Control-Request-Headers: ${bare}`])],
      ['the method of a preflight', bytes('OPTIONS /open', ['Origin: https://spa.example.com', `Access-Control-Request-Method: ${bare}`])],
      ['an origin', bytes('GET /open', [`Origin: https://spa.example.com${bare}`])],
      ['a request id', bytes('GET /open', [`X-Request-Id: ${bare}`])],
      ['a path', bytes(`GET /open/${encodeURI(separator)}${encodeURIComponent(payload)}`, [])],
      ['a path of ours', bytes(`GET /auth/${encodeURI(separator)}${encodeURIComponent(payload)}`, [])],
      ['a bearer', bytes('GET /auth/session', [`Authorization: Bearer ${bare}`])],
      ['a cookie', bytes('POST /auth/logout', [`Cookie: __Host-Http-portcullis=${bare}`, 'Content-Length: 0'])],
      ['a user agent', bytes('GET /open', [`User-Agent: ${bare}`])]
    ]
    for (const [what, sent] of requests) assertClean(t, await sendRaw(t, port, sent).ended, `${what}: ${encodeURI(separator)}`)
  }
  for (const { rawHeaders } of upstream.requests) t.notOk(rawHeaders.some((name, index) => index % 2 === 0 && /^(?:x-injected|set-cookie)$/i.test(name)))
  t.ok(upstream.requests.length > breaks.length)
})

t.test('a line break in a name that signs in stands in no header for a service', async t => {
  const upstream = await startUpstream(t)
  for (const separator of breaks) {
    const { url } = await startGateway(t, {
      identity: async ({ username }: { username: string }) => ({ subject: username, scopes: [] }),
      upstreams: [{ prefix: '/up', target: upstream.url, audience: 'up', forward: 'headers' }, { prefix: '/mint', target: upstream.url, audience: 'mint' }]
    })
    const response = await fetch(`${url}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: `zebra${separator}${payload}`, password }) })
    t.same(Object.keys(setCookies(response)).filter(name => name !== '__Host-Http-portcullis'), [])
    const cookie = `__Host-Http-portcullis=${setCookies(response)['__Host-Http-portcullis'] ?? 'none'}`
    for (const path of ['/up', '/mint']) await fetch(`${url}${path}`, { headers: { cookie } })
  }
  for (const { rawHeaders } of upstream.requests) t.notOk(rawHeaders.some((text, index) => index % 2 === 0 ? /^(?:x-injected|set-cookie)$/i.test(text) : /[\r\n\0]/.test(text)))
})

t.test('nothing that a service says begins a header of ours', async t => {
  for (const separator of ['\n', '\r', '\0', '\r\n ', '\u0085', '\v', '%0d%0a']) {
    for (const name of ['X-Value', 'Set-Cookie', 'Location', 'Vary', 'Clear-Site-Data', 'Cache-Control', 'WWW-Authenticate', 'Access-Control-Expose-Headers']) {
      const upstream = await startRawUpstream(t, socket => { socket.end(`HTTP/1.1 200 OK\r\n${name}: a=b${separator}${payload.split('\r\n')[0]}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok`, 'latin1') })
      const { url } = await startGateway(t, { cors: { origins: ['https://spa.example.com'] }, upstreams: [{ prefix: '/open', target: upstream.url, access: 'public' }] })
      const answer = await sendRaw(t, Number(new URL(url).port), bytes('GET /open', ['Origin: https://spa.example.com'])).ended
      assertClean(t, answer, `${name} ${encodeURI(separator)}`)
    }
  }
})
