import t from 'tap'
import { acceptOf, asksForWebSocket, bearerProtocol, isWebSocketKey, readProtocols } from '../../../lib/proxy/websocket.ts'

t.test('the accept of a key is that of RFC 6455', async t => {
  t.equal(acceptOf('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

t.test('a key is 16 bytes, once', async t => {
  t.ok(isWebSocketKey('dGhlIHNhbXBsZSBub25jZQ=='))
  for (const value of [undefined, '', 'short', 'dGhlIHNhbXBsZSBub25jZQ', 'dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZR==']) t.notOk(isWebSocketKey(value))
})

t.test('only a connection that is to be upgraded to a WebSocket and nothing else asks for one', async t => {
  t.ok(asksForWebSocket({ upgrade: 'WebSocket', connection: 'keep-alive, Upgrade' }))
  for (const headers of [{}, { upgrade: 'websocket' }, { upgrade: 'websocket', connection: 'close' }, { upgrade: 'h2c', connection: 'upgrade' }, { upgrade: 'h2c, websocket', connection: 'upgrade' }]) t.notOk(asksForWebSocket(headers))
})

t.test('subprotocols are told apart from tokens', async t => {
  t.strictSame(readProtocols('chat, portcullis.bearer.a.b.c,  chat.v2 ,'), { tokens: ['a.b.c'], others: ['chat', 'chat.v2'] })
  t.strictSame(readProtocols(undefined), { tokens: [], others: [] })
  t.equal(bearerProtocol('a.b.c'), 'portcullis.bearer.a.b.c')
})
