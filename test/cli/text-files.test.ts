import { randomBytes } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { buildGateway } from '../../gateway/gateway.ts'
import { runMain, writeUsers } from '../helpers/portcullis.ts'
import { learnSecret } from '../helpers/secrets.ts'

t.test('every kind of configuration takes texts from files beside it, tells which of them others can read, and prints none', async t => {
  const secret = randomBytes(32).toString('base64url')
  const token = randomBytes(16).toString('hex')
  learnSecret('a configured secret', secret)
  learnSecret('a configured secret', token)
  const folder = t.testdir({ secret: `${secret}\n`, token: `${token}\r\n` })
  await writeUsers(join(folder, 'users.json'), ['ada'])
  await chmod(join(folder, 'secret'), 0o640)
  await chmod(join(folder, 'token'), 0o644)
  const settings = { origin: 'https://app.example.com', secret: '${file:./secret}', admin: { port: 0, token: '${file:token}' }, identity: { type: 'users', file: './users.json' }, store: { type: 'sqlite', path: ':memory:' } } // eslint-disable-line no-template-curly-in-string
  const files: Record<string, string> = {
    'a.json': JSON.stringify(settings),
    'b.yaml': 'origin: https://app.example.com\nsecret: ${file:./secret}\nadmin: { port: 0, token: ${file:token} }\nidentity: { type: users, file: ./users.json }\nstore: { type: sqlite, path: ":memory:" }\n', // eslint-disable-line no-template-curly-in-string
    'c.ts': `export default ${JSON.stringify(settings)}\n`
  }
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text)
    const { code, stdout, stderr } = await runMain(['check', '--config', join(folder, name)])
    t.same([code, stderr], [0, ''], name)
    t.match(stdout, `warning: admin.token: ${join(folder, 'token')} is open to other users of this machine (mode 0644); write: chmod o= ${join(folder, 'token')}\n`, name)
    t.notMatch(stdout, join(folder, 'secret'), name)
  }

  const gateway = await buildGateway(settings as Parameters<typeof buildGateway>[0], { directory: folder })
  t.teardown(async () => { await gateway.close() })
  const address = gateway.portcullis.admin.server.address() as { port: number }
  t.equal((await fetch(`http://127.0.0.1:${address.port}/admin/sessions?subject=ada`, { headers: { authorization: `Bearer ${token}` } })).status, 200)
})

t.test('a secret whose file is missing or holds none is refused with its setting, and what it holds is not printed', async t => {
  const folder = t.testdir({ weak: 'zebra crossing\n' })
  await writeUsers(join(folder, 'users.json'), ['ada'])
  const check = async (secret: string) => {
    await writeFile(join(folder, 'p.json'), JSON.stringify({ origin: 'https://app.example.com', secret, identity: { type: 'users', file: './users.json' } }))
    return await runMain(['check', '--config', join(folder, 'p.json')])
  }
  t.match(await check('${file:./missing}'), { code: 1, stdout: '', stderr: `secret: needs the file ${join(folder, 'missing')}, which is not there; make it, or name a file that is\n` }) // eslint-disable-line no-template-curly-in-string
  const weak = await check('${file:./weak}') // eslint-disable-line no-template-curly-in-string
  t.match(weak, { code: 1, stdout: '', stderr: /^secret: must be / })
  t.notMatch(weak.stderr, 'zebra')
})
