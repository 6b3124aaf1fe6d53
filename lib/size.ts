const units = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** Returns the bytes of a size such as `16KiB`. Throws RangeError if the text is not a size. */
export function parseSize (text: string): number {
  const match = /^(\d{1,9})(B|KiB|MiB|GiB)$/.exec(text)
  if (match === null) throw new RangeError('not a size: write a number with a unit, such as 512B, 16KiB or 1MiB')
  return Number(match[1]) * units[match[2] as keyof typeof units]
}
