/** Parses the value of a command's option. Throws RangeError that names the option. */
export function wholeNumber (text: string, name: string, least: number, most: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most) throw new RangeError(`--${name}: must be a whole number from ${least} to ${most}`)
  return value
}
