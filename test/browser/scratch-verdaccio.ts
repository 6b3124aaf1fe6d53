import t from 'tap'
import { makeAuthority } from '../helpers/certificate.ts'
import { password } from '../helpers/build-gateway.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startNpmRegistry } from '../helpers/npm-registry.ts'
import { openContext, startBrowser } from './browser.ts'
import { startSecureGateway } from './gateway.ts'

const authority = makeAuthority()
const browser = await startBrowser(t, authority)
const port = await findClosedPort()
const { origin, front } = await startSecureGateway(t, authority, () => ({ upstreams: [{ prefix: '/', target: `http://127.0.0.1:${port}`, access: 'session', forward: 'none', audience: 'registry' }] }))
await startNpmRegistry(t, { port, publicUrl: `${origin}/`, hasPages: true })
const context = await openContext(t, browser)
const page = await context.newPage()
page.on('console', m => { console.log('console', m.text()) })
page.on('pageerror', m => { console.log('pageerror', m) })
await page.goto(`${origin}/page`)
await page.evaluate(async body => { await fetch('/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) }, { username: 'ada', password })
await page.goto(`${origin}/`)
await page.waitForLoadState('networkidle')
console.log((await page.content()).slice(0, 1500))
console.log(await page.locator('body').innerText())
console.log(front.requests.map(r => `${r.method} ${r.url} ${r.status}`).join('\n'))
t.end()
