import { Agent, request } from 'node:http'
import t from 'tap'
import { generousLimits, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The attack needs nobody: under load one user is given what was for another. A connection is used again one answer too early, a
 * token, an identity or a header is kept in a place that two requests share, an aborted request leaves its answer to the next. So
 * many users ask at once, over few connections, each for a number of their own, and some hang up in the middle. The service answers
 * with the number and with who it was told asks.
 */

const users = 12
const rounds = 250

t.test('thousands of interleaved requests, and nobody is given what was for another', async t => {
  const up = await startUpstream(t, (incoming, response) => {
    const body = [incoming.url, claimsOf(incoming.headers.authorization)['sub'], incoming.headers['x-nonce']].join(' ')
    incoming.resume().on('end', () => {
      if (Number(incoming.headers['x-nonce']) % 3 === 0) setTimeout(() => { response.end(body) }, Math.random() * 10)
      else response.end(body)
    })
  })
  const { url } = await startGateway(t, { rateLimit: generousLimits, upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }, { prefix: '/strict', target: up.url, audience: 'up', revocation: { consistency: 'strict' } }] })
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  t.teardown(() => { agent.destroy() })
  const credentials = await Promise.all(Array.from({ length: users }, async (_, index) => {
    const name = `user-${index}`
    return { name, headers: index % 2 === 0 ? { cookie: (await signIn(url, name)).cookie } : { authorization: `Bearer ${(await signInForTokens(url, name)).token}` } }
  }))

  const ask = async (name: string, headers: Record<string, string>, number: number): Promise<string> => await new Promise((resolve, reject) => {
    const path = `${number % 5 === 0 ? '/strict' : '/up'}/${number}`
    const hangsUp = number % 7 === 0
    const outgoing = request(`${url}${path}`, { agent, method: number % 4 === 0 ? 'POST' : 'GET', headers: { ...headers, 'x-nonce': number } }, response => {
      let body = ''
      response.on('data', chunk => { body += String(chunk) }).on('error', () => { resolve('hung up') })
      response.on('end', () => { resolve(body === `${path} ${name} ${number}` ? 'own' : `${path} ${name} ${number} got ${response.statusCode} ${body}`) })
    })
    outgoing.on('error', error => { if (hangsUp) resolve('hung up'); else reject(error) })
    if (hangsUp) setTimeout(() => { outgoing.destroy() }, number % 14)
    outgoing.end(number % 4 === 0 ? 'x'.repeat(number % 1000) : undefined)
  })

  let number = 0
  const counts: Record<string, number> = {}
  for (let round = 0; round < rounds; round++) {
    for (const outcome of await Promise.all(credentials.map(async ({ name, headers }) => await ask(name, headers, ++number)))) counts[outcome] = (counts[outcome] ?? 0) + 1
  }

  t.same(Object.keys(counts).filter(outcome => outcome !== 'own' && outcome !== 'hung up'), [])
  t.ok((counts['own'] ?? 0) > users * rounds * 0.8, `${counts['own']} of ${users * rounds}`)
})
