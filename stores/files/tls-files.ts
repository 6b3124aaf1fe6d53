import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { ConfigInvalidError } from '../../lib/errors.ts'

/** Paths of a certificate chain and its key, PEM. */
export interface TlsPaths { cert: string, key: string }

/** Paths of the files for connections that the gateway opens, PEM; null for what is not set. */
export interface ClientTlsPaths { ca: string | null, cert: string | null, key: string | null }

export interface TlsFiles { cert: Buffer, key: Buffer, warnings: string[] }

/** Certificate and key of `listen.tls`, which belong together. What is wrong with them is a ConfigInvalidError; what clients will refuse, a warning. */
export async function readTlsFiles (files: TlsPaths, nowMs = Date.now()): Promise<TlsFiles> {
  return await readPair('listen.tls', files, { nowMs, readers: 'clients' })
}

export interface ClientTlsFiles { ca?: Buffer, cert?: Buffer, key?: Buffer, warnings: string[] }

/** The files for connections that the gateway makes, under the setting `group`. What is wrong with them is a ConfigInvalidError. */
export async function readClientTlsFiles (group: string, { ca, cert, key }: ClientTlsPaths, nowMs = Date.now()): Promise<ClientTlsFiles> {
  const pair = cert === null || key === null ? null : await readPair(group, { cert, key }, { nowMs, readers: 'servers' })
  const authorities = ca === null ? null : await read(`${group}.ca`, ca)
  if (authorities !== null) parseCertificate(`${group}.ca`, authorities, ca!)
  return { ...authorities === null ? {} : { ca: authorities }, ...pair === null ? {} : { cert: pair.cert, key: pair.key }, warnings: pair?.warnings ?? [] }
}

async function readPair (group: string, { cert: certFile, key: keyFile }: TlsPaths, { nowMs, readers }: { nowMs: number, readers: string }): Promise<TlsFiles> {
  const cert = await read(`${group}.cert`, certFile)
  const key = await read(`${group}.key`, keyFile)
  const certificate = parseCertificate(`${group}.cert`, cert, certFile)
  if (!certificate.checkPrivateKey(parseKey(`${group}.key`, key, keyFile))) {
    throw new ConfigInvalidError(`${group}.key: ${keyFile} is not the key of the first certificate in ${certFile}; name the files that were made together, the own certificate before its issuers'`)
  }
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new ConfigInvalidError(`${group}.cert: ${certFile} cannot be used (${codeOf(cause)}); check every certificate of the chain, and that the key is long enough`, { cause })
  }
  return { cert, key, warnings: validityWarnings(certificate, `${group}.cert: ${certFile}`, { nowMs, readers }) }
}

async function read (setting: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    const code = codeOf(cause)
    throw new ConfigInvalidError(`${setting}: ${file} ${code === 'ENOENT' ? 'is not there; name a file that is' : `cannot be read (${code}); let the gateway's user read it`}`, { cause })
  }
}

function parseCertificate (setting: string, cert: Buffer, file: string): X509Certificate {
  // DER would be parsed too, but TLS takes PEM alone.
  if (!cert.includes('-----BEGIN CERTIFICATE-----')) throw new ConfigInvalidError(`${setting}: ${file} holds no certificate in PEM; name the file that begins with -----BEGIN CERTIFICATE-----`)
  try {
    return new X509Certificate(cert)
  } catch (cause) {
    throw new ConfigInvalidError(`${setting}: ${file} holds a damaged certificate; get it anew`, { cause })
  }
}

function parseKey (setting: string, key: Buffer, file: string): KeyObject {
  try {
    return createPrivateKey(key)
  } catch (cause) {
    const problem = /^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(key.toString('latin1')) ? 'is encrypted; write it without a passphrase, and let the gateway\'s user alone read it' : 'holds no private key in PEM; name the file that begins with -----BEGIN PRIVATE KEY-----'
    throw new ConfigInvalidError(`${setting}: ${file} ${problem}`, { cause })
  }
}

function validityWarnings ({ validFromDate, validToDate }: X509Certificate, what: string, { nowMs, readers }: { nowMs: number, readers: string }): string[] {
  if (nowMs > validToDate.getTime()) return [`${what} expired on ${validToDate.toISOString()}, so ${readers} will refuse it; renew it`]
  if (nowMs < validFromDate.getTime()) return [`${what} is not valid before ${validFromDate.toISOString()}, so ${readers} will refuse it; check the clock`]
  return []
}

function codeOf (error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error'
}
