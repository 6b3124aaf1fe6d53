import { readFile } from 'node:fs/promises'
import t from 'tap'

const css = await readFile(new URL('../../../../routes/pages/views/style.css', import.meta.url), 'utf8')

/** The colours of a scheme: the dark one is what it changes of the light one. */
function coloursOf (scheme: 'light' | 'dark'): Map<string, string> {
  const [light = '', dark = ''] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(([, block]) => block ?? '')
  return new Map([...`${light}${scheme === 'dark' ? dark : ''}`.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name = '', colour = '']) => [name, colour]))
}

/** WCAG 2.2, relative luminance. */
function luminance (colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map(at => Number.parseInt(colour.slice(at, at + 2), 16) / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast (one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

const texts: Array<[text: string, on: string]> = [
  ['text', 'page'], ['text', 'surface'], ['muted', 'page'], ['muted', 'surface'], ['accent', 'surface'], ['accent', 'page'], ['accent-strong', 'page'],
  ['on-accent', 'accent'], ['on-accent', 'accent-strong'], ['danger', 'surface'], ['danger', 'danger-surface'], ['notice', 'notice-surface']
]
/** What shows where a field ends, or where the focus is. */
const marks: Array<[mark: string, on: string]> = [['control', 'surface'], ['control', 'page'], ['accent', 'surface'], ['accent', 'page'], ['danger', 'page']]

for (const scheme of ['light', 'dark'] as const) {
  t.test(`every text can be read in the ${scheme} scheme, and every field and focus be seen`, async t => {
    const colours = coloursOf(scheme)
    const between = (one: string, other: string) => contrast(colours.get(one) ?? '', colours.get(other) ?? '')

    for (const [text, on] of texts) t.ok(between(text, on) >= 4.5, `${text} on ${on}: ${between(text, on).toFixed(2)}`)
    for (const [mark, on] of marks) t.ok(between(mark, on) >= 3, `${mark} on ${on}: ${between(mark, on).toFixed(2)}`)
  })
}

t.test('no rule has a colour of its own, so that both schemes are complete', async t => {
  const rules = css.replaceAll(/:root \{[^}]*\}/g, '')
  t.notMatch(rules, /#[0-9a-f]{3,8}\b|rgb|hsl/i)
  const used = new Set([...rules.matchAll(/var\(--([\w-]+)\)/g)].map(([, name]) => name))
  const defined = [...css.split('@media')[0]!.matchAll(/--([\w-]+):/g)].map(([, name]) => name)
  t.same([...used].sort(), defined.sort())
})

t.test('nothing is loaded, nothing moves for whoever wants none of it, and the focus is never hidden', async t => {
  t.notMatch(css, /url\(|@import|@font-face/)
  t.notMatch(css.replaceAll(/@media \(prefers-reduced-motion: no-preference\) \{[^]*?\n\}/g, ''), /transition|animation/)
  t.notMatch(css, /outline: *(?:0|none)/)
})
