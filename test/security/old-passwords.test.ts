import { once } from 'node:events'
import t from 'tap'
import { recordEvents } from '../helpers/build-app.ts'
import { password, post, setCookies, signIn, startGateway } from '../helpers/build-gateway.ts'
import { editUsers, untilTrue, writeConfig } from '../helpers/portcullis.ts'

/*
 * A thief has a password. The owner notices and gets a new one, and whoever is signed in with the old one is signed out. The thief
 * signs in all the time, to be the one whose sign-in is decided by a process that has not seen the new password yet, or is under way in
 * that moment: such a session would begin after the end of all others, and last for a day.
 */

type Users = Parameters<Parameters<typeof editUsers>[1]>[0]

function changePassword (users: Users): void {
  users[0]!.password = users[0]!.password.replace(/.{8}$/, 'AAAAAAAA')
}

t.test('a worker refuses the old password as soon as anybody may have been signed out for it', async t => {
  const { users: file } = await writeConfig(t)
  const { url, app } = await startGateway(t, { identity: { type: 'users', file } }, { isWorker: true })
  t.equal((await post(`${url}/auth/login`, { username: 'ada', password })).status, 200)

  await editUsers(file, changePassword)
  await app.portcullis.blocklist.revoke({ subject: 'ada' })

  t.equal((await post(`${url}/auth/login`, { username: 'ada', password })).status, 401)
  t.equal((await post(`${url}/auth/login`, { username: 'bob', password })).status, 200)
})

t.test('nothing that a sign-in waits for lies between its password and its session', async t => {
  const { users: file } = await writeConfig(t)
  const events = recordEvents(t)
  const gate = new EventTarget()
  let isHeld = false
  let asked = 0
  const { url } = await startGateway(t, { identity: { type: 'users', file } }, {
    wrapStore: store => ({
      ...store,
      async read (sid) {
        asked++
        if (isHeld) await once(gate, 'open')
        return await store.read(sid)
      }
    })
  })
  const { cookie } = await signIn(url)

  isHeld = true
  const before = asked
  const signingIn = post(`${url}/auth/login`, { username: 'ada', password }, { cookie })
  await untilTrue(async () => asked > before, 5)
  await editUsers(file, changePassword)
  await untilTrue(async () => events.some(({ event }) => event === 'revocation.added'), 5)
  isHeld = false
  gate.dispatchEvent(new Event('open'))

  const answer = await signingIn
  const opened = setCookies(answer)['__Host-Http-portcullis'] ?? ''
  t.equal(answer.status, 401)
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: `__Host-Http-portcullis=${opened}` } })).status, 401)
})
