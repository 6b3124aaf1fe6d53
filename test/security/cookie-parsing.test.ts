import fc from 'fast-check'
import t from 'tap'
import { post, signIn, startGateway } from '../helpers/build-gateway.ts'
import { sendRaw } from '../helpers/proxy.ts'

/*
 * The Cookie header is whatever the client likes: any bytes, names that every object has, thousands of pairs, half an escape, half a
 * quotation. A parser that throws ends the request, or the process; one that fills an object can be made to change all objects; one
 * that unquotes or decodes sees another cookie than the browser holds. Other applications on the same host make such cookies without
 * meaning harm, and their visitors must not be locked out.
 */

/** Cookies as servers, browsers and attackers have made them. None of them is ours. */
const odd = [
  '', ' ', ';', ';;', '; ;', '=', '==', '=x', '=; =', 'a', 'a;', 'a=', 'a==', 'a=b=c', ' a = b ', 'a=b; a=c', '\ta=b\t', 'a="b"', 'a="b;c"', 'a="b\\"; c"', 'a="', 'a=\'b\'', 'a=b,c=d', 'a=b, c=d', '$Version=1; a=b; $Path=/', 'a=b; Path=/; Secure; HttpOnly', 'a=b; Max-Age=0',
  'a=%', 'a=%z', 'a=%00', 'a=%E0%A4%A', 'a=%0d%0aSet-Cookie:x=y', 'a=%5f%5fHost-portcullis', '%5F%5FHost-portcullis=x', 'a=+', 'a=\x7f', 'a=\x80\xff', 'a=\xe4', 'a=ä', 'a={"b":1}', 'j:{"a":1}', 's:abc.def', 'a=b\u00a0', '\u00a0a=b',
  '__proto__=x', '__proto__[isAdmin]=true', 'constructor=x', 'constructor.prototype.x=1', 'prototype=x', 'toString=x', 'hasOwnProperty=x', 'length=9', '__defineGetter__=x', '__proto__.__Host-Http-portcullis=x', 'then=x', 'null=null', 'undefined=undefined', 'NaN=NaN', '0=1',
  '<script>=1', 'a=<svg/onload=alert(1)>', "a=' OR 1=1 --", 'a=${7*7}', 'a={{7*7}}', 'a=../../etc/passwd', 'a=() { :;}; x', `a=${'x'.repeat(8000)}`, `${'x'.repeat(8000)}=a`, 'x'.repeat(8000) // eslint-disable-line no-template-curly-in-string
].map(text => Buffer.from(text).toString('latin1'))

t.test('no Cookie header is an error of the gateway, and a good session is found among any others', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const port = Number(new URL(url).port)
  const statusOf = async (header: string, line = 'GET /auth/session') => {
    const answer = await sendRaw(t, port, `${line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\nCookie: ${header}\r\n\r\n`).ended
    return /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]
  }
  for (const other of odd) {
    const what = JSON.stringify(other.slice(0, 40))
    const isBroken = other.includes('\x7f')
    t.equal(await statusOf(other), isBroken ? '400' : '401', what)
    // A value of another cookie that is quoted ends at its semicolon, as with browsers.
    if (!isBroken) for (const header of [`${other}; ${cookie}`, `${cookie}; ${other}`]) t.equal(await statusOf(header), '200', `${what} beside ours`)
    t.equal(await statusOf(other, 'POST /auth/refresh'), isBroken ? '400' : '401', `${what} at refresh`)
  }
  t.equal(await statusOf(`${Array.from({ length: 1000 }, (_, index) => `c${index}=${index}`).join('; ')}; ${cookie}`), '200', 'a thousand pairs')
  t.equal(await statusOf(`${'a=b; '.repeat(2500)}${cookie}`), '200', 'as much as fits into a head')
  t.equal(await statusOf(`${'a=b; '.repeat(4000)}${cookie}`), '431', 'more than 16 KiB')
  t.equal(({} as Record<string, unknown>)['isAdmin'], undefined)
  t.same(Object.keys(Object.prototype), [])
})

t.test('random cookies are refused or ignored, and never sign anybody in', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const value = cookie.split('=')[1]!
  const piece = fc.constantFrom('__Host-Http-portcullis', '__Host-Http-portcullis=', '__Secure-portcullis-refresh=', value.slice(0, 22), value.slice(22), '.', '=', ';', '; ', ',', '"', '%', ' ', '\t', '$', '__proto__', '\xe4', 'a=b')
  const header = fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join('')).filter(text => !text.replaceAll(/[ \t]/g, '').includes(cookie))

  await fc.assert(fc.asyncProperty(header, async text => {
    const answer = await fetch(`${url}/auth/session`, { headers: { cookie: text } })
    const { code } = await answer.json() as { code: string }
    return (answer.status === 401 && /MISSING|INVALID/.test(code)) || (answer.status === 400 && code === 'PTC_ERR_COOKIE_DUPLICATE')
  }), { numRuns: 300 })
  t.equal((await post(`${url}/auth/logout`, undefined, { cookie })).status, 204)
})
