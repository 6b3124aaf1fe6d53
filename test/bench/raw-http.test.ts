import t from 'tap'
import { contentLength, HeadReader, requestHead, statusOf } from '../../bench/processes/raw-http.ts'

const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 4\r\n\r\n'

t.test('a head is read in whatever pieces it arrives, and the bytes after it are left', async t => {
  for (let at = 1; at < head.length; at++) {
    const reader = new HeadReader()
    t.equal(reader.read(Buffer.from(head.slice(0, at))), null, `${at}`)
    t.same(reader.read(Buffer.from(`${head.slice(at)}body`)), { head, length: head.length - at }, `${at}`)
    t.same(reader.read(Buffer.from(head)), { head, length: head.length }, 'the next head begins anew')
  }
})

t.test('a status and a length that are not stated are no numbers', async t => {
  t.equal(statusOf(head), 200)
  t.equal(contentLength(head), 4)
  t.ok(Number.isNaN(contentLength('HTTP/1.1 200 OK\r\nx-content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n')))
  t.ok(Number.isNaN(statusOf('garbage')))
})

t.test('a request has its headers as they are given', async t => {
  t.equal(requestHead('GET', '/a', { host: 'a', accept: '*/*' }), 'GET /a HTTP/1.1\r\nhost: a\r\naccept: */*\r\n\r\n')
})
