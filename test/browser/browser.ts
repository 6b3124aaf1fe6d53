import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'
import type { Certificate } from '../helpers/certificate.ts'
import { patienceMs } from '../helpers/patience.ts'

const run = promisify(execFile)

/*
 * A real Chromium, with the certificate of the tests trusted as a certificate is: in the user's database. With certificate errors
 * merely ignored, Chromium leaves parts of itself switched off. Every name under .test is this machine.
 */

const args = [
  '--host-resolver-rules=MAP *.test 127.0.0.1',
  // As root there is no sandbox, and a container's /dev/shm is small.
  ...process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  '--disable-dev-shm-usage',
  '--disable-gpu'
]

/** Playwright switches the back-forward cache off; users have it. */
const ignoreDefaultArgs = ['--disable-back-forward-cache']

/** One for a file of tests, which ends it; each test has a context of its own, with its own cookies and storage. */
export async function startBrowser (t: Test, authority: Certificate): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: await findChromium(), args, ignoreDefaultArgs, env: await makeHome(t, authority), timeout: patienceMs })
  t.teardown(async () => { await browser.close() })
  return browser
}

/** A context that ends with the test. */
export async function openContext (t: Test, browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(patienceMs)
  t.teardown(async () => { await context.close() })
  return context
}

declare const history: { back (): void }

/** The back button. What comes back may come from the back-forward cache, of which Playwright's own does not hear. */
export async function goBack (page: Page): Promise<void> {
  await page.evaluate(() => { setTimeout(() => { history.back() }) })
}

/** A home in which nobody has used a browser before, and which trusts the authority. */
async function makeHome (t: Test, authority: Certificate): Promise<Record<string, string>> {
  const home = await mkdtemp(join(tmpdir(), 'portcullis-browser-'))
  t.teardown(async () => { await rm(home, { recursive: true, force: true, maxRetries: 3 }) })
  const database = join(home, '.pki', 'nssdb')
  const file = join(home, 'authority.pem')
  await mkdir(database, { recursive: true })
  await writeFile(file, authority.cert)
  await run('certutil', ['-d', `sql:${database}`, '-N', '--empty-password'])
  await run('certutil', ['-d', `sql:${database}`, '-A', '-n', 'tests', '-t', 'C,,', '-i', file])
  return { HOME: home, PATH: process.env['PATH'] ?? '' }
}

async function findChromium (): Promise<string> {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      const file = join(folder, name)
      if (await access(file, constants.X_OK).then(() => true, () => false)) return file
    }
  }
  throw new Error('these tests need Chromium: install the package chromium, or have chromium, chromium-browser or google-chrome in PATH')
}

/** Software keys in place of a TPM, in a profile that lasts: Playwright's own switches, and contexts off the record, leave device-bound sessions out. */
const deviceBoundArgs = ['--headless', '--no-first-run', '--disable-background-networking', '--disable-sync', '--remote-debugging-pipe', '--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting']

/** A browser on a device of its own, which can be ended and started again as the same. */
export interface DeviceBrowser {
  start (): Promise<BrowserContext>
}

/** `keepsSessionCookies`: as browsers do whose user wants the last pages again. */
export async function prepareDevice (t: Test, authority: Certificate, { keepsSessionCookies = false } = {}): Promise<DeviceBrowser> {
  const env = await makeHome(t, authority)
  const profile = join(env['HOME']!, 'profile')
  if (keepsSessionCookies) {
    await mkdir(join(profile, 'Default'), { recursive: true })
    await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify({ session: { restore_on_startup: 1 } }))
  }
  const executablePath = await findChromium()
  return {
    start: async () => {
      const context = await chromium.launchPersistentContext(profile, { executablePath, env, ignoreDefaultArgs: true, args: [...args, ...deviceBoundArgs, `--user-data-dir=${profile}`, 'about:blank'], timeout: patienceMs })
      context.setDefaultTimeout(patienceMs)
      t.teardown(async () => { await context.close() })
      return context
    }
  }
}
