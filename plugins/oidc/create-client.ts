import { readFile } from 'node:fs/promises'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { loadPackages } from '../../lib/load-packages.ts'
import { importClientKey } from '../../lib/oidc/client-key.ts'
import { ProviderClient, type ClientOptions } from './client.ts'
import type { CheckedProvider } from './provider-options.ts'

/** Creates the client of a provider from its options, which were checked. Rejects with ConfigInvalidError if they contradict each other. */
export async function createClient (provider: CheckedProvider, context: Pick<ClientOptions, 'redirectUri' | 'now' | 'onProblem'>): Promise<ProviderClient> {
  const { name, issuer, clientId, clientSecret, privateKey, privateKeyId, scopes, claims, grant, allow, acr, prompt = null, maxAgeMs = null, sessionExpiry } = provider
  const refuse = (text: string): never => { throw new ConfigInvalidError(`portcullis-oidc: ${name}: ${text}`) }
  if ((clientSecret === undefined) === (privateKey === undefined)) refuse('either clientSecret or privateKey is required, because without one any client could redeem a code; register a confidential client at the provider')
  if (!scopes.includes('openid')) refuse('scopes must contain openid, or the provider states no identity')
  for (const { claim, value } of grant) if ((claim === undefined) !== (value === undefined)) refuse('a line of grant has claim and value, or neither')
  // A missing package must not be found at the first sign-in.
  await loadPackages('portcullis-oidc', ['openid-client'], async () => await import('openid-client'))
  return new ProviderClient({
    ...context,
    name,
    issuer,
    clientId,
    clientSecret,
    privateKeyPem: privateKey === undefined ? undefined : await readKey(privateKey, refuse),
    privateKeyId,
    scopes,
    rules: { claims, grant, allow },
    acrValues: acr?.values ?? null,
    prompt,
    maxAgeMs,
    honoursExpiry: sessionExpiry === 'honour'
  })
}

async function readKey (path: string, refuse: (text: string) => never): Promise<string> {
  try {
    const pem = await readFile(path, 'utf8')
    await importClientKey(pem)
    return pem
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return refuse(`the privateKey file cannot be used: ${code ?? message}`)
  }
}
