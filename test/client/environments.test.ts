import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Window } from 'happy-dom'
import t from 'tap'
import { openBrowser } from '../helpers/browser-tabs.ts'
import { password, startGateway } from '../helpers/build-gateway.ts'

const ada = { username: 'ada', password }
const entry = new URL('../../client/index.ts', import.meta.url).href

t.test('a process that makes a client on a server ends', async t => {
  for (const base of ['', 'http://127.0.0.1:9']) {
    const script = `const { createClient } = await import(${JSON.stringify(entry)}); const client = createClient({ base: '${base}' }); console.log(typeof client.fetch)`

    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { timeout: 60_000 })

    t.equal(stdout, 'function\n')
  }
})

t.test('without locks and channels a tab signs in, is asked for, and signs out', async t => {
  const { url } = await startGateway(t)
  const browser = openBrowser(t, url)
  const found = ['navigator', 'BroadcastChannel'].map(name => [name, Object.getOwnPropertyDescriptor(globalThis, name)!] as const)
  t.teardown(() => { for (const [name, property] of found) Object.defineProperty(globalThis, name, property) })
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: {} })
  Object.defineProperty(globalThis, 'BroadcastChannel', { configurable: true, value: undefined })

  for (const mode of ['session', 'tokens'] as const) {
    const client = browser.open({ mode })
    await client.signIn(ada)
    t.match(await browser.open({ mode }).session(), { subject: 'ada' })
    t.equal((await client.fetch(`${url}/orders`)).status, 200)
    await client.signOut()
    t.equal(await client.session(), null)
  }
})

t.test('the client works in happy-dom', async t => {
  const { url } = await startGateway(t)
  const window = new Window({ url: `${url}/page` })
  t.teardown(async () => { await window.happyDOM.close() })
  const browser = openBrowser(t, url)
  Object.defineProperty(globalThis, 'location', { configurable: true, value: window.location })
  t.teardown(() => { Reflect.deleteProperty(globalThis, 'location') })
  Object.assign(globalThis, { addEventListener: window.addEventListener.bind(window) })

  const client = browser.open({ base: '', mode: 'tokens' })

  t.match(await client.signIn(ada), { subject: 'ada' })
  t.equal((await client.fetch(`${url}/orders`)).status, 200)
  client.close()
})
