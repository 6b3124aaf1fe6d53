const units = [['day', 86_400], ['hour', 3600], ['minute', 60]] as const

const relative = new Intl.RelativeTimeFormat('en')
const absolute = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })

/** Formats an age in seconds in words, no more precise than a minute. */
export function ago (seconds: number): string {
  for (const [unit, length] of units) if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit)
  return 'just now'
}

/** Formats an instant (seconds since the epoch) in UTC, for readers whose time zone is unknown. */
export function inWords (instant: number): string {
  return `${absolute.format(instant * 1000)} UTC`
}

/** Formats a waiting time in seconds for readers, rounded up. */
export function waiting (seconds: number): string {
  const [count, unit] = seconds > 90 ? [Math.ceil(seconds / 60), 'minute'] as const : [Math.max(1, Math.ceil(seconds)), 'second'] as const
  return new Intl.NumberFormat('en', { style: 'unit', unit, unitDisplay: 'long' }).format(count)
}
