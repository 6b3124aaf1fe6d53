/** Digits of constants and of sequences that are taught at school: pi, e, the golden ratio, roots, Fibonacci, primes, powers and squares. */
const constants = [
  '31415926535897932384626433832795', '27182818284590452353602874713527', '16180339887498948482045868343656', '14142135623730950488016887242097', '17320508075688772935274463415059',
  '11235813213455891442333776', '2357111317192329313741', '1248163264128256512102420484096', '149162536496481100121144'
]

/** Numbers that are read as words in Chinese, such as "I love you" and "a lifetime", and lucky numbers. */
const spoken = /^(?:520|521|530|1314|1413|9420|3344|886|168|668|666|888|999)+$/

const leastDigits = 8

/** Returns whether the text is a number that many people know: a date of eight digits, digits of a constant, or numbers that stand for words. */
export function isKnownNumber (text: string): boolean {
  if (text.length < leastDigits || !/^\d+$/.test(text)) return false
  // The last digit may be rounded.
  return isDate(text) || spoken.test(text) || constants.some(digits => digits.includes(text.slice(0, -1)))
}

/** Returns whether eight digits are a date of a living person or of today, in any order, in the Gregorian, Persian or Thai calendar. */
function isDate (digits: string): boolean {
  if (digits.length !== 8) return false
  const isMonthAndDay = (month: string, day: string): boolean => Number(month) >= 1 && Number(month) <= 12 && Number(day) >= 1 && Number(day) <= 31
  const [one, two, three, four] = digits.match(/../g) as [string, string, string, string]
  const orders = [[one + two, three, four], [one + two, four, three], [three + four, one, two], [three + four, two, one]] as const
  return orders.some(([year, month, day]) => /^(?:19\d\d|20[0-4]\d|13\d\d|140\d|24[5-9]\d|25\d\d)$/.test(year) && isMonthAndDay(month, day))
}
