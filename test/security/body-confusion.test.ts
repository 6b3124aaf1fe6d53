import t, { type Test } from 'tap'
import { password, post, signIn, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The attack: a body that is checked as one thing and used as another. A content type that one reader takes for JSON and another
 * for none, so that no schema is applied; a member that stands twice, of which one is checked and the other used; a name that
 * changes every object of the process; nesting that fills the stack. What the gateway reads itself is JSON under one spelling of
 * its type, or is refused; what it only passes on it does not read, so there is nothing to disagree about.
 */

const credentials = `"username":"ada","password":${JSON.stringify(password)}`
const good = `{${credentials}}`

/** POSTs these very bytes under this very line. */
async function send (t: Test, { url }: TestGateway, body: Buffer | string, typeLine: string, path = '/auth/login'): Promise<number> {
  const bytes = Buffer.from(body)
  const answer = await sendRaw(t, Number(new URL(url).port), `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${typeLine}\r\nContent-Length: ${bytes.length}\r\n\r\n${bytes.toString('latin1')}`).ended
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1])
}

const otherTypes = [
  'application/json garbage', 'application/json,text/plain', 'text/plain,application/json', 'application/json/', 'application/json\\', 'application/jsonx', 'xapplication/json', 'application//json', 'application', '/', '', '*/*', 'application/*', 'application/*+json', 'application/+json', 'text/json',
  'application/x-json', 'application/vnd.api+json', 'application/json+x', '"application/json"', "'application/json'", '(comment) application/json', 'application /json', 'application/ json', 'application\t/json', 'application/json\xa0', '\xa0application/json', 'application/json\xff',
  'application/x-www-form-urlencoded', 'application/x-www-form-urlencoded; application/json', 'multipart/form-data; boundary=application/json', 'text/plain;application/json', 'constructor', '__proto__', 'toString', '__proto__/json', 'null', 'undefined', 'application/json\\x00', ';application/json', ';;;', 'a'.repeat(8000)
]

t.test('a body under any type but JSON is not read, whatever it holds', async t => {
  const gateway = await startGateway(t)
  for (const type of otherTypes) {
    for (const body of [good, '{"username":1}', `username=ada&password=${password}`, '']) {
      const status = await send(t, gateway, body, `Content-Type: ${type}`)
      if (status !== 415 && !(body === '' && status === 400)) t.fail(`${type}: ${body}: ${status}`)
    }
  }
  t.same(await gateway.store.list('ada'), [])
})

t.test('a body under a spelling of JSON is judged by the same schema as any', async t => {
  const gateway = await startGateway(t)
  const spellings = ['application/json', 'application/JSON', 'APPLICATION/json', '\tapplication/json', '  application/json  ', 'application/json;', 'application/json ;charset=utf-8', 'application/json\t; charset=utf-8', 'application/json;charset="utf-8"', 'application/json;a=b;c=d', 'application/json; charset=utf-16', 'application/json;=', 'application/json;;;']
  for (const type of spellings) {
    const [whole, ...broken] = await Promise.all([good, '{"username":"ada"}', `{${credentials},"extra":1}`, '{"username":["ada"],"password":"x"}', '[]', '"x"', '1'].map(async body => await send(t, gateway, body, `Content-Type: ${type}`)))
    if (whole === 200) t.same(broken, [400, 400, 400, 400, 400, 400], type)
    else t.same([whole, ...broken], Array(7).fill(415), `${type}: for all alike`)
  }
  for (const lines of ['Content-Type: application/json\r\nContent-Type: text/plain', 'Content-Type: text/plain\r\nContent-Type: application/json', 'Content_Type: application/json', 'X-Content-Type: application/json\r\nContent-Type: text/plain']) {
    const status = await send(t, gateway, '{"username":1}', lines)
    t.ok(status === 415 || status === 400, `${JSON.stringify(lines)}: ${status}`)
  }
})

/** What is no JSON, though some readers take it for some. */
const malformed: Array<Buffer | string> = [
  '{', '}', '[', ']', '{]', '[}', '{{}}', '[[]', '{}{}', '[][]', '{} []', 'nul', 'NULL', 'True', 'TRUE', 'undefined', 'NaN', 'Infinity', '-Infinity', '-', '+1', '01', '-01', '1.', '.1', '1e', '1e+', '0x1', '1_000', '1,', "'a'", '"', '"\\"', '"\\x41"', '"\\u12"', '"\\u{41}"', '"\\u00zz"', '"a\nb"', '"a\tb"', '"a\0b"', '`a`',
  `{${credentials},}`, `{,${credentials}}`, `{${credentials},,"a":1}`, `{${credentials}`, `${credentials}}`, `{${credentials}}}`, `{${credentials}};`, `{${credentials}}x`, `{${credentials}}\0`, `\0{${credentials}}`, `/*x*/{${credentials}}`, `{${credentials}}//x`, `#\n{${credentials}}`, `{${credentials.replaceAll('"', "'")}}`, '{username:"ada",password:"correct horse"}',
  '{"username" "ada","password":"correct horse"}', '{"username"::"ada","password":"correct horse"}', '{"username"="ada","password":"correct horse"}', '{"username":"ada" "password":"correct horse"}', '{"username":"ada";"password":"correct horse"}', '{1:2}', '{null:1}', '{[]:1}', '{"a"}', '{"a":}', '{:"a"}', '{"a":1,"b"}', '{"a":[1,]}', '{"a":[,1]}', '{"a":[1 2]}',
  `)]}',\n{${credentials}}`, `while(1);{${credentials}}`, `{${credentials}}\u2028`, `\xa0{${credentials}}`, '<x/>', 'username=ada', '--x\r\n', Buffer.from(`{${credentials}}`, 'utf16le'), Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(`{${credentials}}`, 'utf16le')]),
  Buffer.from([0xff]), Buffer.from([0]), Buffer.concat([Buffer.from('{"username":"a'), Buffer.from([0xff, 0xc0, 0xaf]), Buffer.from('","password":1}')]), ' ', '\n', '\t\r\n'
]

/** JSON that could mean two things, or more than it says. */
const ambiguous = [
  `\ufeff{"username":"bob",${credentials}}`, `\ufeff{${credentials},"__proto__":{}}`, `\ufeff\ufeff{${credentials}}`,
  `{"username":"bob",${credentials}}`, `{${credentials},"username":"bob"}`, `{${credentials},"\\u0075sername":"bob"}`, `{${credentials},"mode":"tokens","mode":"session"}`, `{${credentials},"audience":["orders"],"audience":["billing"]}`, `{${credentials},"a":1,"a":1}`,
  `{${credentials},"__proto__":{"mode":"tokens"}}`, `{${credentials},"__proto__":null}`, `{${credentials},"__proto__":[]}`, `{${credentials},"\\u005f\\u005fproto\\u005f\\u005f":{}}`, `{"__proto__":{${credentials}}}`, `{${credentials},"constructor":{"prototype":{"isAdmin":true}}}`, `{${credentials},"constructor":1}`, `{${credentials},"toString":1}`, `{${credentials},"hasOwnProperty":1}`, `{${credentials},"prototype":{}}`, `{${credentials},"audience":[{"__proto__":{"polluted":1}}]}`,
  `{${credentials},"Username":"bob"}`, `{${credentials},"username ":"bob"}`, `{${credentials},"":"bob"}`, `{${credentials},"username\\u0000":"bob"}`, '[{}]', 'null', 'true', '0', '-0', '1e309', '"x"', '[]', '{}', `[${good}]`, `{"body":${good}}`,
  '{"username":{"toString":"ada"},"password":"correct horse"}', '{"username":["ada"],"password":["correct horse"]}', '{"username":"ada","password":{"$ne":null}}', '{"username":{"$gt":""},"password":{"$gt":""}}', '{"username":true,"password":true}', '{"username":1e309,"password":1}', '{"username":null,"password":null}', '{"username":"","password":""}'
]

t.test('what is no JSON, or more than one, is 400 and signs nobody in', async t => {
  const gateway = await startGateway(t)
  for (const body of [...malformed, ...ambiguous]) {
    for (const path of ['/auth/login', '/auth/refresh', '/auth/logout', '/auth/step-up']) {
      const status = await send(t, gateway, body, 'Content-Type: application/json', path)
      const isNothing = path !== '/auth/login' && ['null', '{}'].includes(body.toString())
      if (status !== 400 && !isNothing) t.fail(`${path} ${JSON.stringify(body.toString('latin1'))}: ${status}`)
    }
  }
  for (const subject of ['ada', 'bob', '']) t.same(await gateway.store.list(subject), [])
  t.equal(({} as Record<string, unknown>)['polluted'] ?? ({} as Record<string, unknown>)['isAdmin'], undefined, 'no object has learnt anything')
  t.equal((await post(`${gateway.url}/auth/login`, { username: 'ada', password })).status, 200)
})

t.test('depth, length and number of members end nothing but the request', async t => {
  const gateway = await startGateway(t)
  for (const body of [
    '['.repeat(500_000), `${'['.repeat(200_000)}${']'.repeat(200_000)}`, `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, `{${credentials},"audience":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, `{${Array.from({ length: 50_000 }, (_, index) => `"k${index}":1`).join()}}`,
    `{"username":"${'a'.repeat(900_000)}","password":"x"}`, `{"username":"${'\\u0061'.repeat(150_000)}","password":"x"}`, `{"username":"ada","password":"${'\\\\'.repeat(400_000)}"}`, `{${credentials},"audience":[${Array.from({ length: 100_000 }, () => '"x"').join()}]}`, `${' '.repeat(1_000_000)}{`, `{${credentials},"a":${'9'.repeat(500_000)}}`, `{${credentials},"${'k'.repeat(500_000)}":1}`
  ]) t.equal(await send(t, gateway, body, 'Content-Type: application/json'), 400, `${body.slice(0, 30)} of ${body.length}`)
  await assertProblem(t, await fetch(`${gateway.url}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: `{${credentials},"x":"${'x'.repeat(1 << 20)}"}` }), 413, 'PTC_ERR_BODY_TOO_LARGE')
  t.equal((await post(`${gateway.url}/auth/login`, { username: 'ada', password })).status, 200)
})

t.test('a service gets what the client sent, under the type that it sent it with, whatever that is', async t => {
  const up = await startUpstream(t)
  const gateway = await startGateway(t, { upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }] })
  const { cookie } = await signIn(gateway.url)
  for (const type of otherTypes) {
    for (const body of ['{"username":"ada"}', '{"__proto__":1}', '{"a":1,"a":2}', '{', '']) {
      t.equal(await send(t, gateway, body, `Cookie: ${cookie}\r\nContent-Type: ${type}`, '/up'), 200, type)
      const { headers, body: received } = up.requests.pop()!
      t.equal(headers['content-type'], type.replace(/^[ \t]+|[ \t]+$/g, ''), type)
      t.equal(received, body, type)
    }
  }
})
