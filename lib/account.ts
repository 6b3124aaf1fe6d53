import { foldCase } from './fold.ts'

const longest = 1024

/**
 * Groups of letters that Unicode does not decompose and that collations treat as the first letter of the group: letters with a stroke or a
 * hook, letters shared between languages, final forms, and kana (folded to katakana).
 */
const groups = `
aɑⱥꞛꟁ bƀɓƃ cƈȼ dđðɖɗƌꝺ eǝəɛɇ fƒꝼ gǥɠɡᵹꞡ hħⱨ iıɨɩ jȷɉ kĸƙⱪꞣ lłƚɫⱡ nŋɲƞꞥ oøɔɵꞝ pƥᵽ qɋ rɍɽꝛꞃꞧ sȿꞅꞩꟙ tŧƭʈⱦꞇ uʉꞟ vʋ wⱳꟃ yƴɏ zƶȥⱬɀ
σς гґ оꙩꙫꙭꙮꚙꚛ ךכ םמ ןנ ףפ ץצ ءٴ اٱ هةە وۥ يىۦیے كکڪ
アァ イィ ウゥ エェ オォ カヵ クㇰ ケヶ シㇱ スㇲ ツッ トㇳ ヌㇴ ハㇵ ヒㇶ フㇷ ヘㇸ ホㇹ ムㇺ ヤャ ユュ ヨョ ラㇻ リㇼ ルㇽ レㇾ ロㇿ ワヮ`
const pairs = { æ: 'ae', œ: 'oe', ß: 'ss', þ: 'th', ᵺ: 'th' }
const letters = new Map([...Object.entries(pairs), ...groups.trim().split(/\s+/).map(group => [...group]).flatMap(([first = '', ...others]) => others.map(other => [other, first] as const))])
const listed = new RegExp(`[${[...letters.keys()].join('')}]`, 'gu')

/** Collation that ignores case and accents, as many directories and databases do. */
const collation = new Intl.Collator('und', { sensitivity: 'base', usage: 'search' })

/**
 * Returns one text for all spellings of an account name that a directory may treat as equal. LDAP (RFC 4518) and databases ignore case,
 * width, composition, invisible and control characters and the amount of white space. Many of them also ignore accents, strokes, the two
 * kinds of kana and the script of digits.
 * The text is for counting only: two accounts may share it, so it must never decide which account is signed in.
 */
export function foldAccount (name: string): string {
  // Collations treat the iota below Greek letters as an accent, but upper case treats it as a letter.
  return foldCase(name.slice(0, longest).normalize('NFKD').replaceAll('\u0345', '')).toLowerCase()
    .replaceAll(/[\s\u0085]+/g, ' ')
    // RFC 4518 maps the soft hyphen of Todo and the placeholder of an object to nothing. U+0640 lengthens the line between Arabic letters.
    // Combining letters are removed too, although collations distinguish them.
    .replaceAll(/(?:[\p{C}\u0640\u1806\ufffc]|[\u0300-\u036f]|[\u1ab0-\u1aff]|[\u1dc0-\u1dff]|[\u2de0-\u2dff])+/gu, '')
    .replaceAll(/\p{M}/gu, withoutAccent)
    .replaceAll(/[\u3041-\u3096]/g, hiragana => String.fromCodePoint(hiragana.codePointAt(0)! + 0x60))
    .replaceAll(/(?!\d)\p{Nd}/gu, valueOf)
    .replaceAll(listed, letter => letters.get(letter)!)
    .replaceAll(/ +/g, ' ')
    .trim()
}

/** Removes accents, which collations ignore. Marks that are letters, such as vowels of Indic scripts, are kept. */
function withoutAccent (mark: string): string {
  return collation.compare(`a${mark}`, 'a') === 0 ? '' : mark
}

/** Returns the value of a decimal digit. The digits of every script form a range from zero to nine. */
function valueOf (digit: string): string {
  const point = digit.codePointAt(0)!
  let value = 0
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(point - value - 1))) value++
  return String(value)
}
