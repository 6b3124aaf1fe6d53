import t from 'tap'
import { FrameReader, closeFrame } from '../../../lib/proxy/websocket-frames.ts'

/** A frame as a server sends it, or as a client does. */
function frame (first: number, length: number, { isMasked = false, as = length < 126 ? 0 : length < 65_536 ? 2 : 8 } = {}): Buffer {
  const extended = Buffer.alloc(as)
  if (as === 2) extended.writeUInt16BE(length)
  if (as === 8) extended.writeBigUInt64BE(BigInt(length))
  const second = (isMasked ? 0x80 : 0) | (as === 0 ? length : as === 2 ? 126 : 127)
  return Buffer.concat([Buffer.from([first, second]), extended, Buffer.alloc(isMasked ? 4 : 0), Buffer.alloc(length)])
}

/** Where a reader that gets the bytes in steps is between frames. */
function boundariesIn (bytes: Buffer, step: number, isMasked: boolean): number[] {
  const reader = new FrameReader(isMasked)
  const boundaries: number[] = []
  for (let at = 0; at < bytes.length; at += step) {
    reader.read(bytes.subarray(at, at + step), false)
    if (reader.isBetween) boundaries.push(Math.min(at + step, bytes.length))
  }
  return boundaries
}

t.test('the boundaries of frames of every length are found, however the bytes are cut', async t => {
  for (const isMasked of [false, true]) {
    const frames = [0, 1, 125, 126, 65_535, 65_536].map(length => frame(0x82, length, { isMasked }))
    const bytes = Buffer.concat(frames)
    const ends = frames.map((_, i) => Buffer.concat(frames.slice(0, i + 1)).length)

    for (const step of [1, 2, 7, 1000]) {
      t.strictSame(boundariesIn(bytes, step, isMasked), ends.filter(end => end % step === 0 || end === bytes.length), `steps of ${step}`)
    }
  }
})

t.test('one read can take many frames, or up to the next boundary alone', async t => {
  const bytes = Buffer.concat([frame(0x81, 3), frame(0x82, 200), frame(0x81, 5).subarray(0, 4)])
  const reader = new FrameReader(false)

  t.equal(reader.read(bytes, false), bytes.length)
  t.notOk(reader.isBetween)
  t.equal(reader.read(Buffer.alloc(10), true), 3)
  t.ok(reader.isBetween)
  t.equal(reader.read(bytes, true), 0)
})

t.test('a Close frame is noticed', async t => {
  const reader = new FrameReader(true)
  reader.read(frame(0x81, 3, { isMasked: true }), false)
  t.notOk(reader.hasClosed)

  reader.read(closeFrame(1000, true), false)

  t.ok(reader.hasClosed)
  t.ok(reader.isBetween)
})

t.test('what is no frame is told', async t => {
  for (const [name, bytes, isMasked] of [
    ['a request', Buffer.from('GET / HTTP/1.1'), true],
    ['an unmasked frame of a client', frame(0x81, 3), true],
    ['a masked frame of a server', frame(0x81, 3, { isMasked: true }), false],
    ['an unknown opcode', frame(0x83, 3), false],
    ['an unknown control frame', frame(0x8b, 3), false],
    ['a ping in pieces', frame(0x09, 3), false],
    ['a ping that is too long', frame(0x89, 126), false],
    ['a length beyond reason', frame(0x82, 0, { as: 8 }).fill(0xff, 2), false]
  ] as const) t.equal(new FrameReader(isMasked).read(bytes, false), -1, name)
})

t.test('Close frames are what RFC 6455 says', async t => {
  t.strictSame(closeFrame(1008, false), Buffer.from([0x88, 2, 0x03, 0xf0]))
  t.strictSame(closeFrame(1001, true), Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]))
})
