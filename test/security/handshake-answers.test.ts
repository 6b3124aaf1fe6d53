import t, { type Test } from 'tap'
import { acceptOf } from '../../lib/proxy/websocket.ts'
import { signIn, startGateway } from '../helpers/build-gateway.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startRawUpstream } from '../helpers/upstream.ts'
import { readAnswer, valuesOf, type WireAnswer } from '../helpers/wire.ts'

/*
 * The attack: a service puts into the 101 with which it opens a WebSocket what it may not say in an ordinary answer. Browsers read
 * the headers of that answer, too: Alt-Svc moves the whole origin, NEL has all its requests reported, and Clear-Site-Data signs out.
 */

const key = 'dGhlIHNhbXBsZSBub25jZQ=='

const said: Record<string, string> = {
  'alt-svc': 'h3="evil.example:443"',
  nel: '{"report_to":"evil","max_age":2592000}',
  'service-worker-allowed': '/',
  'access-control-allow-origin': 'https://evil.example',
  'access-control-allow-credentials': 'true',
  'cache-control': 'max-age=60',
  'cdn-cache-control': 'max-age=60',
  'surrogate-control': 'max-age=60',
  'x-accel-expires': '60',
  'clear-site-data': '"cookies"',
  'secure-session-registration': '(ES256);path="/x"',
  'set-cookie': '__Host-Http-portcullis=evil; Path=/; Secure; HttpOnly',
  'x-service': 'its own'
}
const lines = Object.entries(said).map(([name, value]) => `${name}: ${value}`)

/** The answer to a handshake, or to the same request without one, of a service that says all of it. */
async function ask (t: Test, { prefix = '/live', origins = [], isHandshake = true, isSignedIn = true }: { prefix?: string, origins?: string[], isHandshake?: boolean, isSignedIn?: boolean } = {}): Promise<WireAnswer> {
  const head = isHandshake ? ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Accept: ${acceptOf(key)}`] : ['HTTP/1.1 200 OK', 'Content-Length: 0']
  const service = await startRawUpstream(t, socket => { socket.write([...head, ...lines, '', ''].join('\r\n')) })
  const { url } = await startGateway(t, { upstreams: [{ prefix, target: service.url, access: 'public', audience: 'live', websocket: true }], cors: { origins } })
  const cookie = isSignedIn ? [`Cookie: ${(await signIn(url)).cookie}`] : []
  const handshake = isHandshake ? ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`] : []
  const client = sendRaw(t, Number(new URL(url).port), [`GET ${prefix} HTTP/1.1`, 'Host: a', ...cookie, ...handshake, '', ''].join('\r\n'))
  const answer = readAnswer(await client.until(/\r\n\r\n/))
  client.socket.destroy()
  t.equal(answer.status, isHandshake ? 101 : 200)
  return answer
}

/** What is left of it, in the order of their names. */
function leftOf (answer: WireAnswer): Array<[name: string, values: string[]]> {
  return Object.keys(said).toSorted().map(name => [name, valuesOf(answer, name)] as [string, string[]]).filter(([, values]) => values.length > 0)
}

t.test('the handshake of a WebSocket says no more to the owner of a session cookie than an ordinary answer', async t => {
  const answer = await ask(t)

  t.strictSame(leftOf(answer), [
    ['access-control-allow-origin', ['https://evil.example']],
    ['cache-control', ['max-age=60, private']],
    ['service-worker-allowed', ['/live/']],
    ['x-service', ['its own']]
  ])
  t.strictSame(leftOf(answer), leftOf(await ask(t, { isHandshake: false })))
})

t.test('with cors.origins the handshake of a WebSocket has no CORS headers of the service', async t => {
  const answer = await ask(t, { origins: ['https://spa.example.com'], isSignedIn: false })

  t.strictSame(answer.fields.filter(([name]) => name.startsWith('access-control-')), [])
  t.strictSame(leftOf(answer), leftOf(await ask(t, { origins: ['https://spa.example.com'], isSignedIn: false, isHandshake: false })))
})

t.test('of a service at / the handshake keeps what is for the whole origin, as its ordinary answers do', async t => {
  const answer = await ask(t, { prefix: '/' })

  for (const name of ['alt-svc', 'nel', 'service-worker-allowed']) t.strictSame(valuesOf(answer, name), [said[name]], name)
  t.strictSame(leftOf(answer), leftOf(await ask(t, { prefix: '/', isHandshake: false })))
})
