import t from 'tap'
import { origin, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { encode } from '../helpers/foreign-issuer.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * A client sends its access token with every request to the origin, so also to a service that keeps the Authorization header for its own
 * accounts. That service could use the token at the gateway and at every other service, in the name of the user.
 */

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

t.test('no token that the gateway has issued or minted reaches a service by its kept Authorization header', async t => {
  const [kept, minting] = [await startUpstream(t), await startUpstream(t)]
  const { url } = await startGateway(t, {
    upstreams: [
      { prefix: '/public', target: kept.url, access: 'public', authorization: 'keep', forward: 'none' },
      { prefix: '/session', target: kept.url, audience: 'kept', access: 'session', authorization: 'keep', forward: 'headers' },
      { prefix: '/minting', target: minting.url, audience: 'minting' }
    ]
  })
  const [{ token }, { cookie }] = [await signInForTokens(url), await signIn(url)]
  await fetch(`${url}/minting`, { headers: bearer(token) })
  const minted = minting.requests[0]!.headers.authorization!.replace('Bearer ', '')
  t.equal(claimsOf(minted)['iss'], origin)

  for (const own of [token, minted, `${token.slice(0, -4)}AAAA`]) {
    for (const scheme of ['Bearer', 'bearer', 'BEARER ', 'DPoP', 'Token']) {
      for (const path of ['/public', '/session']) {
        const response = await fetch(`${url}${path}`, { headers: { cookie, authorization: `${scheme} ${own}` } })
        t.equal(response.status, 200, `${path} ${scheme}`)
        t.equal(kept.requests.at(-1)!.headers.authorization, undefined, `${path} ${scheme}`)
      }
    }
  }
})

t.test('a credential of the service passes, also a token of another issuer', async t => {
  const kept = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/public', target: kept.url, access: 'public', authorization: 'keep', forward: 'none' }] })
  const foreign = `${encode({ alg: 'ES256' })}.${encode({ iss: 'https://idp.example.com', aud: origin })}.c2ln`

  for (const authorization of ['Basic YWRhOnB3', 'Bearer opaque', `Bearer ${foreign}`, 'Bearer a.b.c', `Bearer ${'a'.repeat(8000)}`]) {
    await fetch(`${url}/public`, { headers: { authorization } })
    t.equal(kept.requests.at(-1)!.headers.authorization, authorization, authorization.slice(0, 40))
  }
})
