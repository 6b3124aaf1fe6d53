const units = [['day', 86_400], ['hour', 3600], ['minute', 60]] as const

const relative = new Intl.RelativeTimeFormat('en')
const absolute = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })

/** How long ago that is, in words; no more precise than a minute. */
export function ago (seconds: number): string {
  for (const [unit, length] of units) if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit)
  return 'just now'
}

/** An instant (seconds since the epoch) as people read it, whose time zone nobody has told us. */
export function inWords (instant: number): string {
  return `${absolute.format(instant * 1000)} UTC`
}

/** A waiting time as people read it, rounded up. */
export function waiting (seconds: number): string {
  const [count, unit] = seconds > 90 ? [Math.ceil(seconds / 60), 'minute'] as const : [Math.max(1, Math.ceil(seconds)), 'second'] as const
  return new Intl.NumberFormat('en', { style: 'unit', unit, unitDisplay: 'long' }).format(count)
}
