import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openContext, startBrowser } from '../browser/browser.ts'
import { makeAuthority } from '../helpers/certificate.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { makeFolder, startBehind, startServer } from './behind.ts'

/*
 * The development server of Vite behind the gateway, in Chromium: the page loads its modules, and a changed file changes the page without
 * loading it again, which Vite tells over a WebSocket.
 */

t.setTimeout(120_000)

const browser = await startBrowser(t, makeAuthority())
const vite = fileURLToPath(new URL('../..', import.meta.resolve('vite')))

declare const document: { title: string }
declare const window: { kept?: boolean }

for (const [title, { base, prefix }] of Object.entries({
  'at /': { base: '/', prefix: '/' },
  'under a prefix that Vite knows (base)': { base: '/app/', prefix: '/app' }
})) {
  t.test(`a changed module changes the page of Vite ${title}`, async t => {
    const folder = await makeFolder(t)
    await mkdir(join(folder, 'node_modules'))
    await symlink(vite, join(folder, 'node_modules', 'vite'))
    await writeFile(join(folder, 'index.html'), '<!doctype html><title>none</title><script type="module" src="/main.js"></script>')
    const writeModule = async (text: string): Promise<void> => { await writeFile(join(folder, 'text.js'), `export const text = '${text}'\n`) }
    await writeModule('one')
    await writeFile(join(folder, 'main.js'), "import { text } from './text.js'\ndocument.title = text\nimport.meta.hot.accept('./text.js', next => { document.title = next.text })\n")
    const port = await findClosedPort()
    await startServer(t, port, [process.execPath, join(vite, 'bin', 'vite.js'), '--host', '127.0.0.1', '--port', String(port), '--strictPort', '--base', base], { cwd: folder })
    const behind = await startBehind(t, { prefix, target: `http://127.0.0.1:${port}`, websocket: true })

    const context = await openContext(t, browser)
    const [name, value] = [behind.cookie.slice(0, behind.cookie.indexOf('=')), behind.cookie.slice(behind.cookie.indexOf('=') + 1)]
    await context.addCookies([{ name, value, url: behind.origin, httpOnly: true, sameSite: 'Lax' }])
    const page = await context.newPage()
    const sockets: string[] = []
    page.on('websocket', socket => { sockets.push(socket.url()) })
    await page.goto(behind.url)
    await page.waitForFunction(() => document.title === 'one')
    await page.evaluate(() => { window.kept = true })
    await writeModule('two')
    await page.waitForFunction(() => document.title === 'two')
    t.ok(await page.evaluate(() => window.kept), 'the page was not loaded again')
    t.match(sockets, [behind.url.replace('http:', 'ws:')])
    t.equal(behind.gateway.output.stderr, '')
  })
}
