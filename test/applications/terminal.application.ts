import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openContext, startBrowser } from '../browser/browser.ts'
import { makeAuthority } from '../helpers/certificate.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { installPackages, makeFolder, startBehind, startServer } from './behind.ts'

/*
 * A terminal in a browser (WeTTY: xterm.js over Socket.IO) behind the gateway: what is typed in Chromium runs in a shell, to which a WebSocket
 * leads, and the end of the session ends the terminal. The package is installed into a temporary folder, with a build of node-pty that needs
 * no compiler.
 */

t.setTimeout(300_000)

const folder = await makeFolder(t)
await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, overrides: { 'node-pty': 'npm:@lydell/node-pty@^1.1.0' } }))
await installPackages(folder, ['wetty'])
const browser = await startBrowser(t, makeAuthority())

for (const [title, { base, prefix }] of Object.entries({
  'at /': { base: '/', prefix: '/' },
  'under a prefix that the terminal knows': { base: '/shell', prefix: '/shell' }
})) {
  t.test(`a shell answers what is typed in the browser ${title}`, async t => {
    const port = await findClosedPort()
    await startServer(t, port, [process.execPath, join(folder, 'node_modules', 'wetty', 'build', 'main.js'), '--host', '127.0.0.1', '--port', String(port), '--base', base, '--command', '/bin/sh'], { cwd: folder, env: { PATH: process.env['PATH'] ?? '', HOME: folder, LANG: 'C.UTF-8' } })
    const behind = await startBehind(t, { prefix, target: `http://127.0.0.1:${port}`, websocket: true })

    const context = await openContext(t, browser)
    const [name = '', value = ''] = behind.cookie.split('=')
    await context.addCookies([{ name, value, url: behind.origin, httpOnly: true, sameSite: 'Lax' }])
    const page = await context.newPage()
    const opened = page.waitForEvent('websocket')
    await page.goto(behind.url)
    const socket = await opened
    t.match(socket.url(), `${behind.url.replace('http:', 'ws:')}socket.io/`)
    await page.waitForSelector('.xterm-helper-textarea', { state: 'attached' })
    await page.focus('.xterm-helper-textarea')
    const reads = async (text: string): Promise<unknown> => await page.waitForFunction(`Array.from({ length: window.wetty_term.buffer.active.length }, (_, row) => window.wetty_term.buffer.active.getLine(row).translateToString(true)).includes(${JSON.stringify(text)})`)
    await page.keyboard.type('echo "größe $((6 * 7))"\n')
    await reads('größe 42')
    await page.keyboard.type('seq 1 5000; echo "end $((1 + 1))"\n')
    await reads('end 2')

    const closed = socket.waitForEvent('close')
    t.equal((await fetch(`${behind.origin}/auth/logout`, { method: 'POST', headers: { cookie: behind.cookie } })).status, 204)
    await closed
    t.equal((await fetch(behind.url, { headers: { cookie: behind.cookie } })).status, 401)
    t.equal(behind.gateway.output.stderr, '')
  })
}
