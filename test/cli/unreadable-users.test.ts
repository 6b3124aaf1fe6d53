import { randomBytes } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import t from 'tap'
import { password, post, signIn } from '../helpers/build-gateway.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { editUsers, startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'

for (const workers of ['1', '2']) {
  t.test(`a users file that cannot be read is told to operators, ends sign-ins and lets sessions go on, with ${workers} workers`, async t => {
    const port = await findClosedPort()
    const { config, users } = await writeConfig(t, { admin: { port, token: randomBytes(16).toString('hex') }, identity: { type: 'users', file: './users.json', staleFor: '0s' } })
    const gateway = await startPortcullis(t, config, { args: ['--workers', workers] })
    const { url, output } = gateway
    const admin = `http://127.0.0.1:${port}`
    const ready = async (): Promise<unknown> => await (await fetch(`${admin}/readyz`)).json()
    const metric = async (): Promise<string | undefined> => /^portcullis_users_file_ok (\d)$/m.exec(await (await fetch(`${admin}/metrics`)).text())?.[1]
    const { cookie } = await signIn(url)
    const bob = await signIn(url, 'bob')
    const sessionStatus = async (cookie: string): Promise<number> => (await fetch(`${url}/auth/session`, { headers: { cookie } })).status
    t.same(await ready(), { status: 'ready' })
    t.equal(await metric(), '1')
    const text = await (await fetch(`${admin}/metrics`)).text()
    for (const name of ['portcullis_users_file_ok', 'portcullis_users_files_agree']) t.strictSame(text.match(new RegExp(`^${name} .*$`, 'gm')), [`${name} 1`])

    await rename(users, `${users}.kept`)
    await mkdir(users)
    await untilTrue(async () => await metric() === '0', 20)
    await untilTrue(async () => /"level":50[^\n]*users file was not taken over/.test(output.stdout), 20)
    // Of several processes each one finds out by itself.
    await untilTrue(async () => JSON.stringify(await ready()) === JSON.stringify({ status: 'ready', warnings: ['identity.file: is no regular file; name a file'] }), 20)
    t.equal((await fetch(`${admin}/readyz`)).status, 200)
    for (const username of ['ada', 'eve']) {
      const refused = await post(`${url}/auth/login`, { username, password })
      t.equal(refused.status, 503)
      t.match(refused.headers.get('retry-after'), /^\d+$/)
      t.equal(refused.headers.get('set-cookie'), null)
      t.match(await refused.json(), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
    }
    t.equal((await post(`${url}/auth/step-up`, { password }, { cookie })).status, 503)
    t.equal(await sessionStatus(cookie), 200)

    await editUsers(`${users}.kept`, list => { list.pop() })
    await rm(users, { recursive: true })
    await rename(`${users}.kept`, users)
    await untilTrue(async () => await metric() === '1', 20)
    await untilTrue(async () => await sessionStatus(bob.cookie) === 401, 20)
    await untilTrue(async () => /"level":30[^\n]*users file is read again/.test(output.stdout), 20)
    await untilTrue(async () => JSON.stringify(await ready()) === JSON.stringify({ status: 'ready' }), 20)
    t.equal((await post(`${url}/auth/login`, { username: 'ada', password })).status, 200)
    t.equal(await sessionStatus(cookie), 200)
  })
}
