import t from 'tap'
import { password, post, signIn } from '../helpers/build-gateway.ts'
import { startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The attack: a client writes the log. With a line break in its name, its path or its User-Agent it makes lines of its own: a
 * sign-in of somebody else, or the end of its own trail. With control sequences it takes over the terminal of whoever reads it,
 * with markup the page that shows it. So at the most talkative level, with a line a request, every line is one JSON object, each
 * says what really happened, and there are as many as there were requests.
 */

const naughty = [
  '\n', '\r\n', '\r', '\0', '\t', '\x1b[2J', '\x1b]0;x\x07', '\x7f', '\x85', '\u2028', '\u2029', '\ufeff', '\ud800', '\udfff', '\u202e', '\u0301'.repeat(50), '"', '\\', '\\n', '\\"', '\\u000a', "'", '`', '{', '}', '"}', '"}\n{"level":30,"audit":true,"event":"session.opened","subject":"bob"}', '","audit":true,"x":"', '\n{"audit":true}\n',
  '$' + '{jndi:ldap://a}', '$(id)', '`id`', '{{7*7}}', '%0a', '%0d%0a', '%00', '%s%s%n', '<script>alert(1)</script>', '../../etc/passwd', "' or 1=1 --", '😀', '田', 'ﷺ', 'İ', 'x'.repeat(5000), '__proto__', 'constructor', 'null', 'undefined', 'NaN', '[object Object]'
]

/** What a header can hold: one byte a character, no line breaks. */
const inHeader = (text: string): string => Buffer.from(text).toString('latin1').replace(/[^\t\x20-\x7e\x80-\xff]/g, '')

t.test('whatever a client sends, each line of the log is one object that says what happened', async t => {
  const up = await startUpstream(t)
  const { config } = await writeConfig(t, { log: { level: 'trace', access: true }, upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }, { prefix: '/gone', target: 'http://127.0.0.1:1', access: 'public' }] })
  const gateway = await startPortcullis(t, config)
  const port = Number(new URL(gateway.url).port)
  const { cookie } = await signIn(gateway.url, 'ada')
  let requests = 1

  for (const text of naughty) {
    const value = inHeader(text)
    const path = encodeURIComponent(text.isWellFormed() ? text : 'x')
    for (const [line, lines] of [
      [`GET /up/${path}?${path}`, [`Cookie: ${cookie}`]], [`GET /gone/${path}`, []], [`GET /${path}`, []], [`GET /up#${path}`, []],
      ['GET /up', [`User-Agent: ${value}`, `Referer: ${value}`, `X-Request-Id: ${value}`, `X-Forwarded-For: ${value}`, `Cookie: ${value}`]], ['GET /up', [`Authorization: Bearer ${value}`]], ['GET /auth/session', [`Cookie: __Host-Http-portcullis=${value}`]],
      ['DELETE /up', [`Cookie: ${cookie}`, `Origin: ${value || 'x'}`]]
    ] as const) {
      await sendRaw(t, port, `${line} HTTP/1.1\r\nHost: ${value.replaceAll(/[^a-z]/gi, '') || 'a'}\r\n${lines.map(header => `${header}\r\n`).join('')}Connection: close\r\n\r\n`).ended
      requests++
    }
    for (const body of [{ username: text, password }, { username: 'ada', password: text }, { username: `ada${text}`, password, mode: text }]) {
      await post(`${gateway.url}/auth/login`, body, { 'user-agent': value })
      requests++
    }
  }
  // The path as it is, which the parser refuses or the gateway does: in which case there may be no request to tell of.
  for (const text of naughty) await sendRaw(t, port, `GET /up/${Buffer.from(text).toString('latin1')} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended
  await fetch(`${gateway.url}/last`)
  await untilTrue(async () => gateway.output.stdout.includes('"/last"'), 5)

  const { stdout, stderr, code } = await gateway.end()
  t.equal(code, 0)
  t.equal(stderr, '')
  const lines = stdout.trimEnd().split('\n').filter(line => !line.startsWith('portcullis listening on '))
  t.notMatch(stdout.replaceAll('\n', ''), /[\0-\x1f\x7f]/, 'no control character') // eslint-disable-line no-control-regex
  const parsed: Array<Record<string, unknown>> = []
  for (const line of lines) {
    try {
      parsed.push(JSON.parse(line) as Record<string, unknown>)
    } catch {
      t.fail(`no JSON: ${line}`)
    }
  }
  t.ok(parsed.every(({ level, time }) => typeof level === 'number' && typeof time === 'number'), 'every line is one that we wrote')
  const opened = parsed.filter(({ event }) => event === 'session.opened')
  t.same(new Set(opened.map(({ subject }) => subject)), new Set(['ada']), 'nobody else has signed in')
  t.equal(opened.length, 1)
  const told = parsed.filter(({ msg }) => msg === 'request')
  t.ok(told.length >= requests && told.length <= requests + naughty.length + 1, `${told.length} lines of ${requests} requests and more`)
  for (const { path, ip, reqId } of told) {
    t.ok(ip === '127.0.0.1' && /^[\da-f-]{36}$/.test(String(reqId)) && String(path).length <= 1024, JSON.stringify({ path, ip, reqId }).slice(0, 100))
  }
})
