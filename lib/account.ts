import { foldCase } from './fold.ts'

const longest = 1024

/**
 * Letters that Unicode does not decompose and that collations take for the first of their group: those with a stroke or a hook, letters
 * that languages share, final forms, and kana by the katakana.
 */
const groups = `
aɑⱥꞛꟁ bƀɓƃ cƈȼ dđðɖɗƌꝺ eǝəɛɇ fƒꝼ gǥɠɡᵹꞡ hħⱨ iıɨɩ jȷɉ kĸƙⱪꞣ lłƚɫⱡ nŋɲƞꞥ oøɔɵꞝ pƥᵽ qɋ rɍɽꝛꞃꞧ sȿꞅꞩꟙ tŧƭʈⱦꞇ uʉꞟ vʋ wⱳꟃ yƴɏ zƶȥⱬɀ
σς гґ оꙩꙫꙭꙮꚙꚛ ךכ םמ ןנ ףפ ץצ ءٴ اٱ هةە وۥ يىۦیے كکڪ
アァ イィ ウゥ エェ オォ カヵ クㇰ ケヶ シㇱ スㇲ ツッ トㇳ ヌㇴ ハㇵ ヒㇶ フㇷ ヘㇸ ホㇹ ムㇺ ヤャ ユュ ヨョ ラㇻ リㇼ ルㇽ レㇾ ロㇿ ワヮ`
const pairs = { æ: 'ae', œ: 'oe', ß: 'ss', þ: 'th', ᵺ: 'th' }
const letters = new Map([...Object.entries(pairs), ...groups.trim().split(/\s+/).map(group => [...group]).flatMap(([first = '', ...others]) => others.map(other => [other, first] as const))])
const listed = new RegExp(`[${[...letters.keys()].join('')}]`, 'gu')

/** Compares as directories and databases do that ignore case and accents. */
const collation = new Intl.Collator('und', { sensitivity: 'base', usage: 'search' })

/**
 * One text for all spellings of an account name that a directory may take for one: LDAP (RFC 4518) and databases ignore case, width
 * and composition, invisible and control characters and the amount of white space, and many of them accents, strokes, the two kinds of
 * kana and the script of digits. Only for counting: two accounts may share the text, so it must never decide who is signed in.
 */
export function foldAccount (name: string): string {
  // The iota below Greek letters is an accent to collations, and a letter to upper case.
  return foldCase(name.slice(0, longest).normalize('NFKD').replaceAll('\u0345', '')).toLowerCase()
    .replaceAll(/[\s\u0085]+/g, ' ')
    // U+0640 lengthens the line between Arabic letters. Combining letters are removed too, although collations tell them apart.
    .replaceAll(/(?:[\p{C}\u0640]|[\u0300-\u036f]|[\u1ab0-\u1aff]|[\u1dc0-\u1dff]|[\u2de0-\u2dff])+/gu, '')
    .replaceAll(/\p{M}/gu, withoutAccent)
    .replaceAll(/[\u3041-\u3096]/g, hiragana => String.fromCodePoint(hiragana.codePointAt(0)! + 0x60))
    .replaceAll(/(?!\d)\p{Nd}/gu, valueOf)
    .replaceAll(listed, letter => letters.get(letter)!)
    .replaceAll(/ +/g, ' ')
    .trim()
}

/** Marks that are letters, such as vowels of Indic scripts, make a difference to collations; accents make none. */
function withoutAccent (mark: string): string {
  return collation.compare(`a${mark}`, 'a') === 0 ? '' : mark
}

/** Decimal digits of every script stand in ranges from zero to nine. */
function valueOf (digit: string): string {
  const point = digit.codePointAt(0)!
  let value = 0
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(point - value - 1))) value++
  return String(value)
}
