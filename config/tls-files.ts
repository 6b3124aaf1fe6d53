import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { ConfigInvalidError } from '../lib/errors.ts'
import type { TlsConfig } from './config.ts'

export interface TlsFiles { cert: Buffer, key: Buffer, warnings: string[] }

/** Certificate and key of `listen.tls`, which belong together. What is wrong with them is a ConfigInvalidError; what clients will refuse, a warning. */
export async function readTlsFiles ({ cert: certFile, key: keyFile }: TlsConfig, nowMs = Date.now()): Promise<TlsFiles> {
  const cert = await read('cert', certFile)
  const key = await read('key', keyFile)
  const certificate = parseCertificate(cert, certFile)
  if (!certificate.checkPrivateKey(parseKey(key, keyFile))) {
    throw new ConfigInvalidError(`listen.tls.key: ${keyFile} is not the key of the first certificate in ${certFile}; name the files that were made together, the own certificate before its issuers'`)
  }
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new ConfigInvalidError(`listen.tls.cert: ${certFile} cannot be used (${codeOf(cause)}); check every certificate of the chain, and that the key is long enough`, { cause })
  }
  return { cert, key, warnings: validityWarnings(certificate, certFile, nowMs) }
}

async function read (setting: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    const code = codeOf(cause)
    throw new ConfigInvalidError(`listen.tls.${setting}: ${file} ${code === 'ENOENT' ? 'is not there; name a file that is' : `cannot be read (${code}); let the gateway's user read it`}`, { cause })
  }
}

function parseCertificate (cert: Buffer, file: string): X509Certificate {
  // DER would be parsed too, but TLS takes PEM alone.
  if (!cert.includes('-----BEGIN CERTIFICATE-----')) throw new ConfigInvalidError(`listen.tls.cert: ${file} holds no certificate in PEM; name the file that begins with -----BEGIN CERTIFICATE-----`)
  try {
    return new X509Certificate(cert)
  } catch (cause) {
    throw new ConfigInvalidError(`listen.tls.cert: ${file} holds a damaged certificate; get it anew`, { cause })
  }
}

function parseKey (key: Buffer, file: string): KeyObject {
  try {
    return createPrivateKey(key)
  } catch (cause) {
    const problem = /^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(key.toString('latin1')) ? 'is encrypted; write it without a passphrase, and let the gateway\'s user alone read it' : 'holds no private key in PEM; name the file that begins with -----BEGIN PRIVATE KEY-----'
    throw new ConfigInvalidError(`listen.tls.key: ${file} ${problem}`, { cause })
  }
}

function validityWarnings ({ validFromDate, validToDate }: X509Certificate, file: string, nowMs: number): string[] {
  if (nowMs > validToDate.getTime()) return [`listen.tls.cert: ${file} expired on ${validToDate.toISOString()}, so clients will refuse it; renew it`]
  if (nowMs < validFromDate.getTime()) return [`listen.tls.cert: ${file} is not valid before ${validFromDate.toISOString()}, so clients will refuse it; check the clock`]
  return []
}

function codeOf (error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error'
}
