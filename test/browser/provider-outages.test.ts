import { once } from 'node:events'
import t from 'tap'
import { openContext } from './browser.ts'
import { asksForAccount, signInAtProvider, startProviderGateway } from './provider-gateway.ts'

/* Users of an identity provider in a real browser, while Redis answers nothing at the worst moment: nothing is lost, and it goes on afterwards. */

interface Client { backchannelLogout (account: string, sid: string): Promise<void> }

const { browser, provider, origin, signIn, statusOf, statusBecomes, cutOff, pauseRedis } = await startProviderGateway(t)

t.test('while Redis answers nothing a sign-in that comes back is 503, and goes on afterwards', async t => {
  const context = await openContext(t, browser)
  const page = await context.newPage()
  await page.goto(`${origin}/app/late`)
  await page.getByLabel('Account').fill('ian')
  const resume = pauseRedis(t)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('PTC_ERR_STORE_UNAVAILABLE').waitFor()
  t.ok((await context.cookies(origin)).some(({ name }) => name.includes('login')), 'the cookie of the sign-in is kept')
  resume()
  while (await page.title() !== 'Page /app/late') {
    await page.reload()
    await page.waitForTimeout(200)
  }
  t.equal(page.url(), `${origin}/app/late`)
})

t.test('while Redis answers nothing two tabs that come back are 503, and both go on afterwards', async t => {
  const context = await openContext(t, browser)
  const tabs = [{ page: await context.newPage(), path: '/app/one' }, { page: await context.newPage(), path: '/app/other' }]
  for (const { page, path } of tabs) {
    await page.goto(origin + path)
    await page.getByLabel('Account').fill('mia')
  }
  const resume = pauseRedis(t)
  for (const { page } of tabs) {
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('PTC_ERR_STORE_UNAVAILABLE').waitFor()
  }
  t.equal((await context.cookies(origin)).filter(({ name }) => name.includes('login')).length, 2, 'the cookies of both sign-ins are kept')
  resume()
  for (const { page, path } of tabs) {
    while (await page.title() !== `Page ${path}`) {
      await page.reload()
      await page.waitForTimeout(200)
    }
    t.equal(page.url(), origin + path)
  }
})

t.test('while Redis answers nothing a step-up is 503, no cookie is lost, and it goes on afterwards', async t => {
  const { context, page } = await signIn(t, 'joy')
  await page.waitForTimeout(3100)
  await page.goto(`${origin}/careful/late`)
  await page.getByLabel('Account').fill('joy')
  const before = (await context.cookies(origin)).find(({ name }) => name === 'portcullis')!.value
  const resume = pauseRedis(t)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('PTC_ERR_STORE_UNAVAILABLE').waitFor()
  t.equal((await context.cookies(origin)).find(({ name }) => name === 'portcullis')?.value, before)
  resume()
  await page.goto(`${origin}/app`)
  t.equal(await page.title(), 'Page /app', 'the session goes on')
  await page.goto(`${origin}/careful/late`)
  // The provider has authenticated the user just now, and may say so without asking again.
  if (await asksForAccount(page)) await signInAtProvider(page, 'joy')
  await page.waitForURL(`${origin}/careful/late`)
})

t.test('while Redis answers nothing nobody is signed out by half: the page says so, and the sign-out is done afterwards', async t => {
  const { page } = await signIn(t, 'kim')
  await page.goto(`${origin}/auth/account`)
  const resume = pauseRedis(t)
  await page.getByRole('button', { name: 'Sign out', exact: true }).first().click()
  await page.getByText('Not possible right now').first().waitFor()
  resume()
  await statusBecomes(page, 200)
  await page.goto(`${origin}/auth/account`)
  await page.getByRole('button', { name: 'Sign out', exact: true }).first().click()
  await page.getByText('You are signed out.').waitFor()
  t.equal(await statusOf(page), 401)
})

t.test('while Redis answers nothing a logout of the provider is 503, and ends the session once the provider repeats it', async t => {
  const { context, page } = await signIn(t, 'ned')
  const failed = once(provider.provider, 'backchannel.error') as Promise<[unknown, { response?: { status: number } }, Client, string, string]>
  const resume = pauseRedis(t)
  const there = await context.newPage()
  await there.goto(`${provider.issuer}/session/end`)
  await there.getByRole('button', { name: 'Sign out' }).click()
  const [, { response }, client, account, sid] = await failed
  t.equal(response?.status, 503)
  resume()
  await statusBecomes(page, 200)
  await client.backchannelLogout(account, sid)
  t.equal(await statusOf(page), 401)
})

t.test('while Redis answers nothing an operator\'s cut is no success, and holds once it is repeated', async t => {
  const { page } = await signIn(t, 'lou')
  const resume = pauseRedis(t)
  t.equal(await cutOff('corp|lou'), 503)
  resume()
  while (await cutOff('corp|lou') !== 202) await page.waitForTimeout(100)
  await statusBecomes(page, 401)
  await page.waitForTimeout(1100)
  await page.goto(`${origin}/app`)
  t.ok(await asksForAccount(page))
})
