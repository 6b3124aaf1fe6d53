import { createPrivateKey, webcrypto } from 'node:crypto'

/** Imports the private key with which a client authenticates (RFC 7523): PEM, PKCS #8 or older. Throws an Error that names the fault. */
export async function importClientKey (pem: string): Promise<webcrypto.CryptoKey> {
  const key = createPrivateKey(pem)
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  const der = key.export({ type: 'pkcs8', format: 'der' })
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return await webcrypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= 2048) return await webcrypto.subtle.importKey('pkcs8', der, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['sign'])
  throw new TypeError('the key must be an EC key on P-256, or an RSA key of at least 2048 bits')
}
