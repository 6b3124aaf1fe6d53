import type { Page } from 'playwright-core'
import { untilTrue } from '../helpers/portcullis.ts'

declare const document: { body: { append (element: object): void }, createElement (name: 'iframe'): object }

/** Frames an address in a page. Resolves to what the frame then shows: what refuses to be framed is a page of the browser about that. */
export async function frame (page: Page, url: string): Promise<string> {
  await page.evaluate(async src => {
    await new Promise<void>(resolve => { document.body.append(Object.assign(document.createElement('iframe'), { onload: () => { resolve() }, src })) })
  }, url)
  // Known a little later than to the page: the frame is another process.
  let shown = ''
  await untilTrue(async () => {
    shown = page.frames()[1]?.url() ?? ''
    return shown !== '' && shown !== 'about:blank'
  }, 10)
  return shown
}
