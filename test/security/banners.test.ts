import t from 'tap'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asAdmin, startAdministered } from '../helpers/admin.ts'
import { password, signIn } from '../helpers/build-gateway.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The attack: to read off an answer which software, which version and which files are behind it, and then to look up what is known
 * to be wrong with them. Errors tell the most: a stack, a path, an address of another machine, the words of a library.
 */

const names = JSON.parse(await readFile(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as { version: string, dependencies: Record<string, string> }
/** `portcullis` itself is in cookies and in the type of errors. */
const telling = new RegExp([
  'fastify', 'node\\.?js', 'undici', 'llhttp', 'find-my-way', 'ioredis', 'sqlite', 'typebox', 'ajv', 'FST_', 'HPE_', 'UND_ERR', 'ECONN', 'EPIPE', 'ENOENT', 'SyntaxError', 'TypeError', 'Unexpected token', 'at position', 'node_modules', 'node:internal',
  '\\.ts\\b', '\\.js\\b(?!on)', '\\n? +at ', '127\\.0\\.0\\.1', 'localhost', '/home/', '/tmp/', `v?${process.versions.node.replaceAll('.', '\\.')}`, 'x-powered-by', '^server:', '^via:', `version ?${names.version}`
].join('|'), 'im')

t.test('no answer names software, versions, files or machines', async t => {
  const up = await startUpstream(t)
  const broken = await startUpstream(t, incoming => { incoming.socket.destroy() })
  const { url, admin } = await startAdministered(t, {
    identity: async ({ username }: { username: string }) => {
      if (username === 'bad') throw new TypeError('ldap at 127.0.0.1 said ECONNREFUSED')
      return username
    },
    upstreams: [
      { prefix: '/up', target: up.url, audience: 'up' }, { prefix: '/open', target: up.url, access: 'public' }, { prefix: '/broken', target: broken.url, access: 'public' }, { prefix: '/dead', target: `http://127.0.0.1:${await findClosedPort()}`, access: 'public' }
    ]
  })
  const { cookie } = await signIn(url)
  const json = 'Content-Type: application/json\r\n'
  const post = (path: string, body: string, lines = json) => `POST ${path} HTTP/1.1\r\nHost: a\r\n${lines}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  const get = (path: string, lines = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines}\r\n`
  const login = JSON.stringify({ username: 'ada', password })
  const port = Number(new URL(url).port)
  let answered = 0
  for (const bytes of [
    get('/up'), get('/up', `Cookie: ${cookie}\r\n`), get('/open'), get('/broken'), get('/dead'), get('/nowhere'), get('//'), get('/%'), get('/auth/session'), get('/auth/session', `Cookie: ${cookie}\r\n`), get('/auth/session', `Cookie: ${cookie}; ${cookie}\r\n`), get('/auth/session', 'Authorization: Bearer x\r\n'),
    get('/.well-known/jwks.json'), get('/auth/login'), get('/up', 'Authorization: Bearer a.b.c\r\n'), get('/up', `Authorization: Bearer ${'a.'.repeat(3000)}\r\n`), get(`/auth/sessions/${'x'.repeat(1000)}`, `Cookie: ${cookie}\r\n`),
    post('/auth/login', login), post('/auth/login', '{"'), post('/auth/login', '{"username":1}'), post('/auth/login', ''), post('/auth/login', login, 'Content-Type: text/xml\r\n'), post('/auth/login', login, 'Content-Type: ;;;\r\n'), post('/auth/login', JSON.stringify({ username: 'bad', password })), post('/auth/login', 'x'.repeat(2_000_000)),
    post('/auth/refresh', ''), post('/auth/refresh', '', 'Cookie: __Secure-portcullis-refresh=x\r\n'), post('/auth/step-up', '{}'), post('/auth/logout', '[]'), post('/auth/logout', '', 'Origin: https://evil.example\r\n'), post('/open', 'x', 'Expect: zebra\r\n'),
    'nonsense\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', get('/', `X: ${'x'.repeat(20_000)}\r\n`), get('/', 'X: \0\r\n'), get('/', 'Transfer-Encoding: zebra\r\n'), 'TRACE /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
  ]) {
    // What a session tells its owner of the client is the client's own.
    const answer = (await sendRaw(t, port, bytes).ended).replace(/"client":\{[^}]*\}/, '')
    const found = telling.exec(answer)
    if (found !== null) t.fail(`${JSON.stringify(bytes.slice(0, 60))} tells ${found[0]}: ${answer}`)
    if (/^HTTP\/1\.1 [2-5]\d\d /.test(answer)) answered++
  }
  t.equal(answered, 39, 'every one was answered')
  for (const path of ['/healthz', '/readyz', '/nowhere', '/admin/sessions', '/admin/sessions?subject=']) {
    for (const headers of [{}, asAdmin]) {
      const response = await fetch(`${admin}${path}`, { headers })
      t.notMatch(`${JSON.stringify([...response.headers])} ${await response.text()}`, telling, path)
    }
  }
})
