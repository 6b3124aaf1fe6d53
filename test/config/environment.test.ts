import t from 'tap'
import { reference, substitute } from '../../config/environment.ts'
import { configSchema } from '../../config/schema.ts'

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
