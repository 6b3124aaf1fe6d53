import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'

export interface Certificate { cert: string, key: string }

export interface CertificateFiles extends Certificate { folder: string, tls: { cert: string, key: string } }

export interface CertificateOptions {
  from?: number
  to?: number
  /** The host names; the first one is the subject. */
  names?: string[]
  /** Whether the certificate is for 127.0.0.1 too. Default: true. */
  withAddress?: boolean
  /** The signing authority. Default: the certificate signs itself. */
  authority?: Certificate
}

/** Makes a certificate in PEM, by default for localhost and 127.0.0.1, signed by itself and valid for the next hour. */
export function makeCertificate ({ from = Date.now() - 60_000, to = Date.now() + 3_600_000, names = ['localhost'], withAddress = true, authority }: CertificateOptions = {}): Certificate {
  const altNames = sequence(...names.map(name => der(0x82, Buffer.from(name))), ...withAddress ? [der(0x87, Buffer.from([127, 0, 0, 1]))] : [])
  return issue({ from, to, subject: names[0]!, extension: sequence(oid('551d11'), der(0x04, altNames)), ...authority === undefined ? {} : { authority } })
}

const authorityName = 'Authority of the tests'

/** Makes a certificate that may sign others, for clients that are configured to trust it. */
export function makeAuthority (): Certificate {
  const critical = der(0x01, Buffer.from([0xff]))
  const isAuthority = der(0x04, sequence(der(0x01, Buffer.from([0xff]))))
  return issue({ from: Date.now() - 60_000, to: Date.now() + 3_600_000, subject: authorityName, extension: sequence(oid('551d13'), critical, isAuthority) })
}

function issue ({ from, to, subject, extension, authority }: { from: number, to: number, subject: string, extension: Buffer, authority?: Certificate }): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serialOf(publicKey)),
    ecdsaWithSha256,
    nameOf(authority === undefined ? subject : authorityName),
    sequence(time(from), time(to)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extension))
  )
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', content, authority?.key ?? privateKey)])
  const base64 = sequence(content, ecdsaWithSha256, der(0x03, signature)).toString('base64')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  }
}

function nameOf (commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(commonName)))))
}

/** Writes a certificate to the files cert.pem and key.pem of a folder, as `listen.tls` names them. */
export async function writeCertificate (t: Test, folder = t.testdir({}), certificate = makeCertificate()): Promise<CertificateFiles> {
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  await writeFile(tls.cert, certificate.cert)
  await writeFile(tls.key, certificate.key)
  return { ...certificate, folder, tls }
}

/** Returns a serial number that is positive and different for every key. */
function serialOf (key: KeyObject): Buffer {
  return Buffer.concat([Buffer.from([1]), createHash('sha256').update(key.export({ type: 'spki', format: 'der' })).digest().subarray(0, 8)])
}

function der (tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sequence (...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function oid (hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

/** Encodes an instant as UTCTime. */
function time (ms: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14)}Z`))
}
