import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readTlsFiles } from '../../../stores/files/tls-files.ts'
import { makeCertificate, writeCertificate } from '../../helpers/certificate.ts'

const day = 86_400_000

t.test('a certificate and its key are read without a warning', async t => {
  const { cert, key, tls } = await writeCertificate(t)

  const files = await readTlsFiles(tls)

  t.same([files.cert.toString(), files.key.toString(), files.warnings], [cert, key, []])
})

t.test('a chain begins with the own certificate', async t => {
  const [own, other] = [makeCertificate(), makeCertificate()]
  const { tls } = await writeCertificate(t, t.testdir({}), { cert: own.cert + other.cert, key: own.key })
  t.same((await readTlsFiles(tls)).warnings, [])

  await writeFile(tls.cert, other.cert + own.cert)
  await t.rejects(readTlsFiles(tls), { code: 'PTC_ERR_CONFIG_INVALID', message: /^listen\.tls\.key: / })
})

t.test('a certificate that clients will refuse is a warning', async t => {
  for (const [times, warning] of [
    [{ from: Date.now() - 2 * day, to: Date.now() - day }, /^listen\.tls\.cert: .* expired on .*; renew it$/],
    [{ from: Date.now() + day, to: Date.now() + 2 * day }, /^listen\.tls\.cert: .* is not valid before .*; check the clock$/]
  ] as const) {
    const { tls } = await writeCertificate(t, t.testdir({}), makeCertificate(times))

    const { warnings } = await readTlsFiles(tls)

    t.equal(warnings.length, 1)
    t.match(warnings[0], warning)
  }
})

const good = makeCertificate()
const encrypted = (type: 'pkcs8' | 'sec1') => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'zebra' }) as string
const weak = generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string

for (const [what, files, message] of [
  ['no certificate file', { key: good.key }, /^listen\.tls\.cert: \S+cert\.pem is not there; name a file that is$/],
  ['no key file', { cert: good.cert }, /^listen\.tls\.key: \S+key\.pem is not there; name a file that is$/],
  ['a folder in place of a file', { cert: {}, key: good.key }, /^listen\.tls\.cert: \S+ cannot be read \(EISDIR\); let the gateway's user read it$/],
  ['the key in place of the certificate', { cert: good.key, key: good.key }, /^listen\.tls\.cert: \S+ holds no certificate in PEM; name the file that begins with -----BEGIN CERTIFICATE-----$/],
  ['a damaged certificate', { cert: good.cert.replace(/\n\w{40}/, '\n'), key: good.key }, /^listen\.tls\.cert: \S+ holds a damaged certificate; get it anew$/],
  ['a damaged certificate further on', { cert: `${good.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`, key: good.key }, /^listen\.tls\.cert: \S+ cannot be used \(ERR_\w+\); check every certificate/],
  ['the certificate in place of the key', { cert: good.cert, key: good.cert }, /^listen\.tls\.key: \S+ holds no private key in PEM; name the file/],
  ['an encrypted key', { cert: good.cert, key: encrypted('pkcs8') }, /^listen\.tls\.key: \S+ is encrypted; write it without a passphrase/],
  ['an encrypted key of the old form', { cert: good.cert, key: encrypted('sec1') }, /^listen\.tls\.key: \S+ is encrypted; write it without a passphrase/],
  ['the key of another certificate', { cert: good.cert, key: makeCertificate().key }, /^listen\.tls\.key: \S+ is not the key of the first certificate in \S+; name the files/],
  ['a key of another kind', { cert: good.cert, key: weak }, /^listen\.tls\.key: \S+ is not the key of the first certificate/]
] as Array<[string, Record<string, string | Record<string, string>>, RegExp]>) {
  t.test(`${what} is refused in one line without what the files hold`, async t => {
    const folder = t.testdir(Object.fromEntries(Object.entries(files).map(([name, content]) => [`${name}.pem`, content])))

    const error = await readTlsFiles({ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }).catch((raised: unknown) => raised) as Error & { code: string }

    t.equal(error.code, 'PTC_ERR_CONFIG_INVALID')
    t.match(error.message, message)
    t.notMatch(error.message, /\n|MII/)
  })
}
