import t from 'tap'
import { foldCase } from '../../lib/fold.ts'

t.test('spellings that a comparison without regard to case may take for one are one', async t => {
  for (const [one, other] of [
    ['keys', '\u212aEYS'], ['secret', '\u017fecret'], ['SECRET', '\u017fecret'], ['iris', 'İRİS'], ['IRIS', 'ırıs'], ['straße', 'STRASSE'], ['straẞe', 'strasse'], ['ﬁles', 'FILES'], ['ＫＥＹＳ', 'keys'], ['k\u00adeys', 'keys'], ['k\u200be\ufeffys', 'keys'],
    ['ⓚeys', 'KEYS'], ['ΟΔΟΣ', 'οδος'], ['οδοσ', 'οδος'], ['µ', 'μ'], ['ǅ', 'dž'], ['ΐ', 'Ϊ\u0301'], ['e\u0301', 'É'], ['ᾳ', 'ΑΙ'], ['ᏸ', 'Ᏸ'], ['ա', 'Ա']
  ] as const) t.equal(foldCase(one), foldCase(other), `${one} ${other}`)
  for (const [one, other] of [['keys', 'key'], ['resume', 'résumé'], ['i', 'l'], ['k', 'к'], ['a b', 'ab']] as const) t.not(foldCase(one), foldCase(other), `${one} ${other}`)
})

t.test('no character is apart from its own upper or lower case in any language', async t => {
  for (let point = 0; point <= 0x1ffff; point++) {
    if (point >= 0xd800 && point < 0xe000) continue
    const character = String.fromCodePoint(point)
    for (const other of [character.toUpperCase(), character.toLowerCase(), character.toLocaleUpperCase('tr'), character.toLocaleLowerCase('tr')]) {
      if (foldCase(other) !== foldCase(character)) t.fail(`U+${point.toString(16)}`)
    }
  }
})
