import type { BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import { clientFiles } from '../../routes/pages/client-files.ts'
import { startUpstream, type Upstream } from '../helpers/upstream.ts'

/** What the pages of the application below have as `app`. */
export interface Application {
  client: {
    signIn (credentials: { username: string, password: string }): Promise<{ sid: string }>
    signOut (options?: { scope?: 'this' | 'others' | 'all' }): Promise<void>
    stepUp (credentials: { password: string }): Promise<{ sid: string, auth_time: number }>
    fetch: typeof fetch
    session (): Promise<{ sid: string, subject: string } | null>
  }
  /** What it was told, in order. */
  told: string[]
}

/** A page that signs in with `portcullis/client` and says who is there. The mode is in its query. */
const html = `<!doctype html>
<title>An application</title>
<p id="who"></p>
<script type="module">
  import { createClient } from '/page/client/index.js'

  const told = []
  const client = createClient({
    mode: new URLSearchParams(location.search).get('mode') ?? 'session',
    onSignedOut: () => { told.push('signed out') },
    onStepUp: async ({ stepUp }) => {
      told.push('step-up')
      await stepUp({ password: 'correct horse' })
    }
  })
  client.onChange(({ session }) => { document.getElementById('who').textContent = session?.subject ?? 'nobody' })
  globalThis.app = { client, told }
</script>`

/** Serves it at /page, and the client's files at /page/client. */
export async function startApplication (t: Test): Promise<Upstream> {
  const files = await clientFiles()
  return await startUpstream(t, (request, response) => {
    request.resume()
    const file = files.get(request.url!.replace('/page/client/', ''))
    response.writeHead(200, { 'content-type': file === undefined ? 'text/html' : 'text/javascript' }).end(file?.body ?? html)
  })
}

/** A tab with the application, once its script has run. */
export async function openTab (context: BrowserContext, origin: string, mode: 'session' | 'tokens'): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${origin}/page?mode=${mode}`)
  await page.waitForFunction(() => 'app' in globalThis)
  return page
}
