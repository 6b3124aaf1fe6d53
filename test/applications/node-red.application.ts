import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openContext, startBrowser } from '../browser/browser.ts'
import { makeAuthority } from '../helpers/certificate.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { installPackages, makeFolder, startBehind, startServer } from './behind.ts'

/*
 * Node-RED behind the gateway: a flow is deployed, its endpoint answers, and the editor in Chromium shows over a WebSocket what the flow prints.
 * The package is installed into a temporary folder.
 */

t.setTimeout(300_000)

const folder = await makeFolder(t)
await installPackages(folder, ['node-red'])
const browser = await startBrowser(t, makeAuthority())

/** A flow that answers at /hello, and prints a message twice a second. */
const flow = [
  { id: 'tab1', type: 'tab', label: 'Flow 1' },
  { id: 'in1', type: 'http in', z: 'tab1', url: '/hello', method: 'get', x: 100, y: 100, wires: [['answer1']] },
  { id: 'answer1', type: 'template', z: 'tab1', field: 'payload', template: 'größe {{req.headers.x-auth-subject}}', x: 300, y: 100, wires: [['out1']] },
  { id: 'out1', type: 'http response', z: 'tab1', statusCode: '200', x: 500, y: 100, wires: [] },
  { id: 'tick1', type: 'inject', z: 'tab1', props: [{ p: 'payload' }], repeat: '0.5', once: true, payload: 'a tick of the flow', payloadType: 'str', x: 100, y: 200, wires: [['debug1']] },
  { id: 'debug1', type: 'debug', z: 'tab1', active: true, tosidebar: true, complete: 'payload', targetType: 'msg', x: 300, y: 200, wires: [] }
]

for (const [title, { root, upstream }] of Object.entries({
  'at /': { root: '/', upstream: { prefix: '/' } },
  'under a prefix that Node-RED knows (httpRoot)': { root: '/red', upstream: { prefix: '/red' } },
  'under a prefix that Node-RED does not know': { root: '/', upstream: { prefix: '/red', rewritePrefix: '/' } }
})) {
  t.test(`a flow is deployed and seen live ${title}`, async t => {
    const port = await findClosedPort()
    const user = join(await makeFolder(t), 'user')
    await mkdir(user)
    await writeFile(join(user, 'settings.js'), `module.exports = { uiHost: '127.0.0.1', uiPort: ${port}, httpRoot: '${root}', telemetry: { enabled: false }, editorTheme: { tours: false } }\n`)
    await startServer(t, port, [process.execPath, join(folder, 'node_modules', 'node-red', 'red.js'), '--userDir', user], { cwd: user, env: { PATH: process.env['PATH'] ?? '', HOME: user } })
    const behind = await startBehind(t, { ...upstream, target: `http://127.0.0.1:${port}`, websocket: true })

    const deployed = await fetch(`${behind.url}flows`, { method: 'POST', headers: { cookie: behind.cookie, 'content-type': 'application/json', 'node-red-deployment-type': 'full' }, body: JSON.stringify(flow) })
    t.equal(deployed.status, 204)
    t.equal(await (await fetch(`${behind.url}hello`, { headers: { cookie: behind.cookie } })).text(), 'größe ada')

    const context = await openContext(t, browser)
    const [name = '', value = ''] = behind.cookie.split('=')
    await context.addCookies([{ name, value, url: behind.origin, httpOnly: true, sameSite: 'Lax' }])
    const page = await context.newPage()
    const sockets: string[] = []
    page.on('websocket', socket => { sockets.push(socket.url()) })
    await page.goto(behind.url)
    await page.waitForSelector('#red-ui-header-button-deploy')
    await page.evaluate("RED.sidebar.show('debug')")
    await page.waitForSelector('.red-ui-debug-msg:has-text("a tick of the flow")')
    t.equal(sockets[0], `${behind.url.replace('http:', 'ws:')}comms`)
    t.equal(behind.gateway.output.stderr, '')
  })
}
