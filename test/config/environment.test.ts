import { execFileSync } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { substitute } from '../../config/environment.ts'
import { configSchema } from '../../config/schema.ts'
import { reference } from '../../lib/settings/fields.ts'

const name = reference('NAME')

t.test('a variable in any string takes its value from the environment', async t => {
  const { value, problems } = substitute({ origin: `https://${name}:${reference('PORT')}`, upstreams: [{ scopes: [name] }] }, configSchema, { NAME: 'a', PORT: '1' })

  t.strictSame(value, { origin: 'https://a:1', upstreams: [{ scopes: ['a'] }] })
  t.strictSame(problems, [])
})

t.test('a variable that is not set or empty is named together with its setting', async t => {
  const { problems } = substitute({ secret: [name], store: { url: reference('OTHER') } }, configSchema, { OTHER: '' })

  t.strictSame(problems, [
    { setting: 'secret[0]', text: 'needs the environment variable NAME, which is not set; set NAME' },
    { setting: 'store.url', text: 'needs the environment variable OTHER, which is empty; set OTHER' }
  ])
})

t.test('two dollars stand for one, and what a variable holds is not looked at again', async t => {
  const { value } = substitute({ a: `$${name}`, b: name, c: 'cost: $5' }, configSchema, { NAME: reference('SECRET'), SECRET: 'x' })

  t.strictSame(value, { a: name, b: reference('SECRET'), c: 'cost: $5' })
})

t.test('an unfinished variable or one with a strange name is refused', async t => {
  for (const text of ['${', '${NAME', '${}', '${NAME:-x}', '${1}']) { // eslint-disable-line no-template-curly-in-string
    const { problems } = substitute({ origin: text }, configSchema, { NAME: 'a' })
    t.match(problems, [{ setting: 'origin', text: /unfinished variable/ }])
  }
})

t.test('a number or a flag may be one variable as a whole, and a string of digits stays a string', async t => {
  const input = { listen: { port: name }, log: { access: reference('ON') }, admin: { token: name } }
  const { value } = substitute(input, configSchema, { NAME: '8081', ON: 'true' })

  t.strictSame(value, { listen: { port: 8081 }, log: { access: true }, admin: { token: '8081' } })
})

t.test('a name that belongs to every object is nothing special', async t => {
  const input = JSON.parse('{ "__proto__": { "origin": "x" }, "constructor": "y" }') as object
  const { value } = substitute(input, configSchema, {})

  t.strictSame(Object.keys(value as object), ['__proto__', 'constructor'])
})

t.test('an input that holds itself ends', async t => {
  const input: Record<string, unknown> = {}
  input['session'] = input

  t.match(substitute(input, configSchema, {}).problems, [{ text: 'is nested too deeply; write it flat' }])
})

const file = (path: string): string => reference(`file:${path}`)

t.test('a file in any string is its content without the last newline, and is not looked at again', async t => {
  const folder = t.testdir({ plain: 'a', unix: 'b\n', dos: 'c\r\n', more: '\nd \n\n', variable: `${name}$${name}`, nested: file('./plain'), 'strange name': 'é', marked: '\uFEFFe\n' })
  const contents: Array<[path: string, text: string]> = [['./plain', 'a'], ['unix', 'b'], ['dos', 'c'], ['more', '\nd \n'], ['variable', `${name}$${name}`], ['nested', file('./plain')], ['strange name', 'é'], ['marked', 'e'], [join(folder, 'plain'), 'a']]
  for (const [path, text] of contents) {
    const { value, problems, files } = substitute({ secret: [file(path)] }, configSchema, { NAME: 'x' }, folder)
    t.strictSame(value, { secret: [text] }, path)
    t.strictSame(problems, [])
    t.strictSame(files, [{ setting: 'secret[0]', path: join(folder, path === join(folder, 'plain') ? 'plain' : path) }])
  }
})

t.test('a file may stand in the middle of a text, beside variables, and two dollars take its meaning away', async t => {
  const folder = t.testdir({ password: 'p%40ss\n', port: '8081\n', on: 'true\n' })
  const { value, problems } = substitute({ store: { url: `redis://${name}:${file('password')}@host` }, listen: { port: file('port') }, log: { access: file('./on') }, a: `$${file('password')}` }, configSchema, { NAME: 'ada' }, folder)

  t.strictSame(problems, [])
  t.strictSame(value, { store: { url: 'redis://ada:p%40ss@host' }, listen: { port: 8081 }, log: { access: true }, a: file('password') })
})

t.test('a file that is not what it should be is named together with its setting and the fix, never with its content', { timeout: 20_000 }, async t => {
  const folder = t.testdir({ empty: '', newline: '\n', large: 'zebra'.repeat(14_000), nul: 'zebra\0' })
  await writeFile(join(folder, 'binary'), Buffer.from([0x7a, 0xff, 0xfe]))
  await mkdir(join(folder, 'directory'))
  await symlink('nowhere', join(folder, 'dangling'))
  execFileSync('mkfifo', [join(folder, 'pipe')])
  const expected: Array<[path: string, problem: string]> = [
    ['missing', 'is not there; make it, or name a file that is'], ['dangling', 'is not there; make it, or name a file that is'],
    ['empty', 'is empty; write the text into it'], ['newline', 'is empty; write the text into it'],
    ['large', 'is larger than 64 KiB; name the file of one text'], ['nul', 'is not UTF-8 text; write it as text, such as base64url'], ['binary', 'is not UTF-8 text; write it as text, such as base64url'],
    ['directory', 'is no regular file; name a file'], ['pipe', 'is no regular file; name a file'], ['empty/x', "cannot be read (ENOTDIR); let the gateway's user read it"]
  ]
  for (const [path, problem] of expected) {
    t.strictSame(substitute({ secret: file(path) }, configSchema, {}, folder).problems, [{ setting: 'secret', text: `needs the file ${join(folder, path)}, which ${problem}` }], path)
  }
  for (const path of ['', ' ', name.slice(0, -1), 'a\0b']) t.match(substitute({ secret: file(path) }, configSchema, {}, folder).problems, [{ setting: 'secret', text: /^names no file; / }], JSON.stringify(path))
})

t.test('a setting that is a path takes no content of a file, which an error would repeat', async t => {
  const folder = t.testdir({ 'key.pem': '-----BEGIN PRIVATE KEY-----\nzebra\n' })
  for (const [input, setting] of [
    [{ listen: { tls: { cert: 'c', key: reference('file:key.pem') } } }, 'listen.tls.key'],
    [{ store: { type: 'redis', tls: { ca: `x/${reference('file:key.pem')}` } } }, 'store.tls.ca'],
    [{ store: { path: reference('file:key.pem') } }, 'store.path'],
    [{ identity: { type: 'users', file: reference('file:key.pem') } }, 'identity.file'],
    [{ issuers: [{ jwks: reference('file:key.pem') }] }, 'issuers[0].jwks']
  ] as const) {
    const { problems, value } = substitute(input, configSchema, {}, folder)
    t.match(problems, [{ setting, text: /is a path/ }])
    t.notMatch(JSON.stringify([problems, value]), /zebra/)
  }
})
