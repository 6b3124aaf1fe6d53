import t, { type Test } from 'tap'
import { password, post } from '../helpers/build-gateway.ts'
import { startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The attack: a client says of itself what only a proxy in front may say: another address, to be let off a budget, or to have
 * somebody else in the audit log; https and another host, so that a service makes links to the attacker's site; the id of another
 * request, so that their lines in the log are one. A number of hops to trust cannot tell the client's words from the proxy's, so
 * only addresses are trusted.
 */

interface Started { url: string, seen: (headers: Record<string, string>) => Promise<Record<string, unknown>>, ipOf: (headers: Record<string, string>) => Promise<string>, lines: () => Array<Record<string, unknown>> }

/** A gateway process that trusts these networks; its clients come from 127.0.0.1. */
async function start (t: Test, trustProxy: string[] | undefined): Promise<Started> {
  const up = await startUpstream(t)
  const { config } = await writeConfig(t, {
    listen: { host: '127.0.0.1', port: 0, ...trustProxy === undefined ? {} : { trustProxy } },
    log: { level: 'info', access: true },
    upstreams: [{ prefix: '/up', target: up.url, access: 'public' }]
  })
  const { url, output } = await startPortcullis(t, config)
  return {
    url,
    seen: async headers => {
      await fetch(`${url}/up`, { headers })
      return up.requests.at(-1)!.headers
    },
    ipOf: async headers => {
      const { session } = await (await post(`${url}/auth/login`, { username: 'ada', password }, headers)).json() as { session: { client: { ip: string } } }
      return session.client.ip
    },
    lines: () => output.stdout.split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Record<string, unknown>)
  }
}

const forged = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http', 'x-forwarded-port': '81', forwarded: 'for=203.0.113.8;host=evil.example;proto=http', 'x-real-ip': '203.0.113.9', 'x-request-id': 'theirs', 'x-client-ip': '203.0.113.10', 'true-client-ip': '203.0.113.11', 'cf-connecting-ip': '203.0.113.12' }

t.test('nobody is believed by default, nor whoever is in none of the networks', async t => {
  for (const networks of [undefined, [], ['10.0.0.0/8'], ['127.0.0.2', '128.0.0.0/8', '::1', '192.168.0.0/16']]) {
    const { seen, ipOf, lines } = await start(t, networks)

    const headers = await seen(forged)

    t.match(headers, { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'app.example.com', 'x-forwarded-proto': 'https', 'x-request-id': /^[\da-f-]{36}$/ })
    for (const name of ['forwarded', 'x-real-ip', 'x-forwarded-port']) t.notHas(headers, name)
    t.equal(await ipOf(forged), '127.0.0.1')
    await untilTrue(async () => lines().some(({ event, ip }) => event === 'session.opened' && ip === '127.0.0.1') && lines().some(({ msg }) => msg === 'request'), 5)
    t.notMatch(JSON.stringify(lines()), /203\.0\.113|theirs|evil/)
  }
})

t.test('a proxy in the networks is believed about address and request, and about nothing else', async t => {
  for (const networks of [['127.0.0.0/8'], ['127.0.0.1'], ['10.0.0.0/8', '127.0.0.1/32']]) {
    const { seen, ipOf, lines } = await start(t, networks)

    const headers = await seen(forged)

    t.match(headers, { 'x-forwarded-for': '203.0.113.7, 127.0.0.1', 'x-forwarded-host': 'app.example.com', 'x-forwarded-proto': 'https', 'x-request-id': 'theirs' })
    for (const name of ['forwarded', 'x-real-ip', 'x-forwarded-port']) t.notHas(headers, name)
    t.equal(await ipOf(forged), '203.0.113.7')
    await untilTrue(async () => lines().some(({ event, ip }) => event === 'session.opened' && ip === '203.0.113.7'), 5)
    await untilTrue(async () => lines().some(({ msg, ip, reqId }) => msg === 'request' && ip === '203.0.113.7' && reqId === 'theirs'), 5)
  }
})

t.test('of a chain only what trusted proxies added counts, from the right', async t => {
  const { ipOf } = await start(t, ['127.0.0.0/8', '10.0.0.0/8'])
  for (const [chain, address] of [
    ['203.0.113.7, 198.51.100.1', '198.51.100.1'],
    ['203.0.113.7, 198.51.100.1, 10.0.0.1', '198.51.100.1'],
    ['203.0.113.7,198.51.100.1,10.0.0.1,10.9.9.9', '198.51.100.1'],
    ['10.0.0.1, 203.0.113.7', '203.0.113.7'],
    ['2001:db8::1', '2001:db8::1']
  ] as const) t.equal(await ipOf({ 'x-forwarded-for': chain }), address, chain)
})

t.test('what a trusted proxy passes on and is no address, or no id, harms nobody', async t => {
  const { seen, ipOf, lines, url } = await start(t, ['127.0.0.1'])
  for (const value of ['unknown', '', ',', '"', '127.0.0.1:80', '[::1]:80', '%00', '{"event":"session.opened"}', 'a'.repeat(5000), '203.0.113.7\t', '::ffff:203.0.113.7']) {
    t.type(await ipOf({ 'x-forwarded-for': value }), 'string', value)
    t.equal((await fetch(`${url}/up`, { headers: { 'x-forwarded-for': value } })).status, 200, value)
  }
  for (const id of ['', ' ', 'a b', '"', '{"a":1}', 'x'.repeat(129), 'caf\xe9', '$(id)', "' or 1=1"]) t.match(await seen({ 'x-request-id': id }), { 'x-request-id': /^[\da-f-]{36}$/ }, id)
  await untilTrue(async () => lines().length > 20, 5)
})
