const durationUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Pattern of a duration with its unit: `500ms`, `30s`, `15m`, `24h`, `30d`. */
export const durationPattern = '^\\d{1,9}(ms|s|m|h|d)$'

/** Returns the milliseconds of a duration such as `15m`. Throws RangeError if the text is not a duration. */
export function parseDurationMs (text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  if (match === null) throw new RangeError(`"${text}" is not a duration: write a number with a unit, such as 500ms, 30s, 15m, 24h or 30d`)
  return Number(match[1]) * durationUnits[match[2] as keyof typeof durationUnits]
}

/** A duration in options: a whole number with its unit (`500ms`, `30s`, `15m`, `24h`, `30d`), or a number of milliseconds. */
export type Duration = `${number}${keyof typeof durationUnits}` | number

/** Returns the milliseconds of a duration that was checked before. */
export function durationMs (duration: Duration): number {
  return typeof duration === 'number' ? duration : parseDurationMs(duration)
}

const sizeUnits = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** Returns the bytes of a size such as `16KiB`. Throws RangeError if the text is not a size. */
export function parseSize (text: string): number {
  const match = /^(\d{1,9})(B|KiB|MiB|GiB)$/.exec(text)
  if (match === null) throw new RangeError('not a size: write a number with a unit, such as 512B, 16KiB or 1MiB')
  return Number(match[1]) * sizeUnits[match[2] as keyof typeof sizeUnits]
}
