import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serveParent } from './child.ts'

/** An identity provider without sign-ins: it serves its configuration and keys, and issues logout tokens. */
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const clientId = 'portcullis'
const documents: Record<string, unknown> = { '/jwks': { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: '1', use: 'sig', alg: 'ES256' }] } }

const server = createServer((request, response) => {
  const document = documents[request.url ?? '']
  response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(document ?? {}))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
documents['/.well-known/openid-configuration'] = { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`, response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['ES256'] }

/** Returns a logout token for each of these sessions or users. */
function logoutTokens (named: Array<{ sid?: string, sub?: string }>): string[] {
  return named.map(names => {
    const iat = Math.floor(Date.now() / 1000)
    const claims = { iss: issuer, aud: clientId, iat, exp: iat + 120, jti: randomUUID(), events: { 'http://schemas.openid.net/event/backchannel-logout': {} }, ...names }
    const text = [{ alg: 'ES256', typ: 'logout+jwt', kid: '1' }, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  })
}

serveParent({ issuer, clientId }, { logoutTokens })
