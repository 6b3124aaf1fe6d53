/** Returns the known name that was most likely meant, or null if none is close enough. */
export function nearest (name: string, known: readonly string[]): string | null {
  const meant = fold(name)
  const tolerance = Math.max(1, Math.floor(meant.length * 0.4))
  let best: string | null = null
  let least = tolerance + 1
  for (const candidate of known) {
    const distance = editDistance(meant, fold(candidate))
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Removes differences of style: idle_timeout, idle-timeout and idleTimeout become one name. Names are cut to 64 characters. */
function fold (name: string): string {
  return name.slice(0, 64).toLowerCase().replaceAll(/[-_ ]/g, '')
}

/** Returns the number of insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
function editDistance (from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)]
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1]
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      row.push(Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (same ? 0 : 1),
        swapped ? rows[i - 2]![j - 2]! + 1 : Infinity
      ))
    }
    rows.push(row)
  }
  return rows[from.length]![to.length]!
}
