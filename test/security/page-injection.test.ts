import t, { type Test } from 'tap'
import { password, setCookies, startGateway, post } from '../helpers/build-gateway.ts'
import { open, submit } from '../helpers/forms.ts'

/*
 * Script in a page of the gateway would run where people type passwords and end sessions, on the origin of every service. What a
 * page shows of a request comes back to whoever sent it, or, worse, to somebody else: the names of browsers and addresses that an
 * attacker's own sign-in leaves in the list of the victim's sessions. Quotes end attributes, angle brackets begin elements, and what
 * the template engine itself reads (its own tags) must stay text too.
 */

const hostile = [
  '<script>alert(1)</script>', '"><script>alert(1)</script>', '\'><img src=x onerror=alert(1)>', '" autofocus onfocus=alert(1) x="', '</title><script>alert(1)</script>', '</form><form action=https://evil.example>', '<!--', '-->', '&lt;script&gt;', '&#x3c;script>', '<%= 7919 * 7907 %>', '<%~ it.assets %>', ['$', '{7919*7907}'].join(''), '{{7919*7907}}', '`', '\u2028<b>', '+ADw-script+AD4-', '<svg/onload=alert(1)>', '<style>*{}</style>', '<meta http-equiv=refresh content=0>', 'it.constructor'
]

/** Nothing of the text but what means nothing in HTML: it stands there escaped, or not at all. */
function assertInert (t: Test, html: string, text: string, what: string): void {
  if (/[<>"'&]/.test(text)) t.notOk(html.includes(text), `${what}: ${encodeURI(text)}`)
  t.notMatch(html, /<(?:script(?! src="\/auth\/account\.js\?v=[\w-]+" defer>)|img|style|svg\/|b>|iframe)/i, `${what}: ${encodeURI(text)}`)
  t.notMatch(html.replaceAll(/="[^"]*"/g, ''), /<[^>]*\son\w+\s*=/i, `${what}: ${encodeURI(text)}`)
  t.equal(html.split(/<form[ >]/).length, html.split('</form>').length, what)
  t.notMatch(html, /62615533/, `${what}: nothing is computed`)
}

t.test('what a request says stands in the pages as text', async t => {
  const { url } = await startGateway(t, { pages: true })
  const page = `${url}/auth/sign-in`
  for (const text of hostile) {
    assertInert(t, await (await open(`${page}?return_to=${encodeURIComponent(`/${text}`)}&signed_out=${encodeURIComponent(text)}&step_up=${encodeURIComponent(text)}`)).text(), text, 'return_to')
    assertInert(t, await (await open(`${page}?return_to=/x?${encodeURIComponent(text.replaceAll(/[^\x21-\x7e]/g, ''))}`)).text(), text, 'a query to return to')
    const refused = await (await submit(page, { username: text, password: `${text} wrong password`, return_to: `/x?${text}` })).text()
    assertInert(t, refused, text, 'the name')
    t.match(refused, `value="${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll('\'', '&#39;')}"`, 'the name is kept as it was typed')
    assertInert(t, await (await submit(page, { [text]: text })).text(), text, 'a field')
  }
})

t.test('what the sign-ins of others leave behind stands in the account page as text', async t => {
  const { url } = await startGateway(t, { pages: true, listen: { host: '127.0.0.1', port: 0, trustProxy: ['127.0.0.1'] }, session: { maxPerSubject: 100 } })
  // What is escaped already looks as the others do when they are.
  const texts = hostile.map(text => text.replaceAll(/[^\x20-\x7e]/g, '')).filter(text => !text.startsWith('&'))
  for (const text of texts) {
    await post(`${url}/auth/login`, { username: 'ada', password }, { 'user-agent': `Mozilla/5.0 (Windows) Firefox/${text}`, 'x-forwarded-for': text })
  }
  const cookie = `__Host-Http-portcullis=${setCookies(await post(`${url}/auth/login`, { username: 'ada', password }))['__Host-Http-portcullis'] ?? ''}`
  const page = `${url}/auth/account`

  const html = await (await open(page, { cookie })).text()
  t.equal(html.split('Firefox on Windows').length, texts.length + 1)
  t.match(html, '<span class="address">&lt;script&gt;alert(1)&lt;/script&gt;</span>')
  for (const text of texts) {
    assertInert(t, html, text, 'a session of another')
    for (const query of [`notice=${encodeURIComponent(text)}`, `end=${encodeURIComponent(text)}`, `${encodeURIComponent(text)}`]) assertInert(t, await (await open(`${page}?${query}`, { cookie })).text(), text, query)
    for (const fields of [{ action: text }, { action: 'end', sid: text }, { action: 'end', sid: text, password: 'wrong password' }] as Array<Record<string, string>>) {
      const response = await submit(page, fields, { cookie })
      assertInert(t, await response.text(), text, JSON.stringify(Object.keys(fields)))
      t.match(response.headers.get('location') ?? '/auth/account', /^\/auth\/account(\?notice=gone)?$/)
    }
  }
})

t.test('a name that is nothing but markup signs in, and is shown as it is', async t => {
  const { url } = await startGateway(t, { pages: true, identity: async () => ({ subject: '<script>x</script>', scopes: [] }) })
  for (const text of hostile) {
    const response = await submit(`${url}/auth/sign-in`, { username: text, password })
    const cookie = `__Host-Http-portcullis=${setCookies(response)['__Host-Http-portcullis'] ?? ''}`
    for (const path of ['/auth/account', '/auth/sign-in?step_up=1']) assertInert(t, await (await open(`${url}${path}`, { cookie })).text(), text, path)
  }
})
