import { Type } from '@sinclair/typebox'
import { text } from './fields.ts'
import { checkNotEmpty } from './text-checks.ts'

const { Optional } = Type

/** Files for the TLS connections that the gateway opens. `whose` names the servers' certificates in the description. */
export function clientTls (whose: string) {
  return {
    ca: Optional(text(checkNotEmpty, { description: `File of the certificates, PEM, of the authorities that sign ${whose}; by default the authorities of Node.`, expects: 'a path', isFile: true })),
    cert: Optional(text(checkNotEmpty, { description: 'File of the certificate chain, PEM, that the gateway presents.', expects: 'a path', isFile: true })),
    key: Optional(text(checkNotEmpty, { description: 'File of its private key, PEM, without a passphrase.', expects: 'a path', isFile: true }))
  }
}

/** Finds a certificate without its key, or a key without its certificate. */
export function findTlsProblems (tls: { cert?: string | undefined, key?: string | undefined } | undefined): Array<{ setting: string, text: string }> {
  if (tls === undefined || (tls.cert === undefined) === (tls.key === undefined)) return []
  const [missing, given] = tls.cert === undefined ? ['cert', 'key'] : ['key', 'cert']
  return [{ setting: `tls.${missing}`, text: `is required with ${given}; add it, or remove ${given}` }]
}
