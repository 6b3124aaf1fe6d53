import t from 'tap'
import { foldAccount } from '../../lib/account.ts'

t.test('spellings that a directory may take for one account are one', async t => {
  const spellings = [
    'Zoë Straße', 'zoë straße', 'ZOË STRASSE', 'ｚｏｅ\u0308 ｓｔｒａｓｓｅ', 'Zoe Strasse',
    ' Zoë Straße\t', 'Zoë  Straße', 'Zoë\u00a0Straße', 'Zoë\u3000Straße', 'Zoë \u200b Straße', 'Zoë\r\nStraße',
    'Zo\u200bë Straße', '\ufeffZoë Straße', 'Zoë\u00ad Straße', 'Zoë\u2060 Straße', 'Zo\u0000ë Straße', 'Zoë\u007f Straße', 'Zoë\u202e Straße',
    'Zo\u180eë Straße', 'Zo\u3164ë Straße', 'Zo\u034fë Straße', 'Zoë\ufe0f Straße', 'Zoë\u{e0041} Straße', 'Zoë\u{e000} Straße', 'Zoë\ud800 Straße', 'Zoë\u0378 Straße', 'zoë ſtraße'
  ]
  for (const spelling of spellings) t.equal(foldAccount(spelling), 'zoe strasse', JSON.stringify(spelling))
  for (const spelling of ['ısıl', 'İSİL', 'isil']) t.equal(foldAccount(spelling), 'isil')
  t.equal(foldAccount('ΌΣΟΣ'), foldAccount('όσος'))
  t.equal(foldAccount('STRAẞE'), 'strasse')
})

t.test('names that differ in letters stay apart', async t => {
  const names = ['ada', 'bob', 'adab', 'ad a', 'a.da', 'a-da', 'ada1', 'किरण', 'कोरण', 'かき', 'かこ', '山田', '山口', 'u|ada']
  t.equal(new Set(names.map(foldAccount)).size, names.length)
})

t.test('letters that databases take for others make no other account', async t => {
  for (const [one, other] of [
    ['Bjørn', 'bjorn'], ['ŁUKASZ', 'lukasz'], ['Đorđe', 'dorde'], ['ħal', 'hal'], ['Æon', 'aeon'], ['œuvre', 'OEUVRE'], ['Þór', 'thor'], ['ŋo', 'no'],
    ['やまだ', 'ヤマダ'], ['やまだ', 'ﾔﾏﾀﾞ'], ['がき', 'かき'], ['ｯ', 'つ'], ['ゕ', 'カ'], ['٣', '3'], ['१२', '12'], ['یوسف', 'يوسف'], ['שלום', 'שלומ'], ['شَمس', 'شمس']
  ] as const) t.equal(foldAccount(one), foldAccount(other), `${one} ${other}`)
})

t.test('letters and marks of names that a collation without case and accents takes for one are one', async t => {
  const collation = new Intl.Collator('und', { sensitivity: 'base', usage: 'search' })
  // Combining letters are removed; phonetic digraphs and letters with a dot between them and the next letter are in no names.
  const ranges = [[0x20, 0x362], [0x370, 0x6ff], [0x900, 0xcff], [0xe00, 0xeff], [0x1e00, 0x1fff], [0x3041, 0x3096], [0x30a1, 0x30fa], [0x31f0, 0x31ff]] as const
  const points = ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, index) => String.fromCharCode(from + index)))
    .filter(character => /^[\p{L}\p{M}\p{Nd}]$/u.test(character) && !/[\u013f\u0140\u01be\u02a3-\u02ab\u037a]/.test(character))
  const sorted = points.map(character => `x${character}`).sort(collation.compare)
  const pairs = sorted.slice(1).map((name, index) => [sorted[index]!, name] as const).filter(([one, other]) => collation.compare(one, other) === 0)

  t.ok(pairs.length > 1000)
  t.strictSame(pairs.filter(([one, other]) => foldAccount(one) !== foldAccount(other)).map(pair => pair.join(' ')), [])
})

t.test('characters that RFC 4518 maps to nothing or to a space make no other account', async t => {
  const range = (first: number, last = first): string[] => Array.from({ length: last - first + 1 }, (_, index) => String.fromCodePoint(first + index))
  const nothing = [
    range(0x0, 0x8), range(0xe, 0x1f), range(0x7f, 0x84), range(0x86, 0x9f), range(0xad), range(0x34f), range(0x6dd), range(0x70f), range(0x1806), range(0x180b, 0x180e),
    range(0x200b, 0x200f), range(0x202a, 0x202e), range(0x2060, 0x2063), range(0x206a, 0x206f), range(0xfe00, 0xfe0f), range(0xfeff), range(0xfff9, 0xfffc), range(0x1d173, 0x1d17a),
    range(0xe0001), range(0xe0020, 0xe007f),
    // Characters that Unicode displays as nothing by default.
    range(0x61c), range(0x115f, 0x1160), range(0x17b4, 0x17b5), range(0x2064, 0x2069), range(0x3164), range(0xffa0), range(0xe0100, 0xe01ef)
  ].flat()
  const space = [range(0x9, 0xd), range(0x20), range(0x85), range(0xa0), range(0x1680), range(0x2000, 0x200a), range(0x2028, 0x2029), range(0x202f), range(0x205f), range(0x3000)].flat()

  t.strictSame(nothing.filter(character => [`a${character}da`, `ada${character}`, `${character}ada`].some(name => foldAccount(name) !== 'ada')).map(encodeURI), [])
  t.strictSame(space.filter(character => foldAccount(`a${character}da`) !== 'a da' || foldAccount(`${character}ada${character}`) !== 'ada').map(encodeURI), [])
})

t.test('a name beyond all bounds costs no more than a long one', async t => {
  t.equal(foldAccount('\ufdfa'.repeat(1_000_000)), foldAccount('\ufdfa'.repeat(1024)))
})

t.test('marks that databases ignore make no other account', async t => {
  for (const mark of ['\u20dd', '\u1dc4', '\u1ab0', '\ufe20', '\u0483']) t.equal(foldAccount(`alice${mark}`), foldAccount('alice'), encodeURI(mark))
})
