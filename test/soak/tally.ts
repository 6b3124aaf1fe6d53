export type Column = 'ok' | 'refused' | 'come again' | 'no answer' | 'other'

/** How often what had which outcome. */
export class Tally {
  readonly rows = new Map<string, Record<Column, number>>()
  total = 0

  add (what: string, status: number | null): void {
    const row = this.rows.get(what) ?? { ok: 0, refused: 0, 'come again': 0, 'no answer': 0, other: 0 }
    this.rows.set(what, row)
    row[columnOf(status)]++
    this.total++
  }

  sum (column: Column): number {
    let sum = 0
    for (const row of this.rows.values()) sum += row[column]
    return sum
  }
}

function columnOf (status: number | null): Column {
  if (status === null) return 'no answer'
  if (status >= 200 && status < 300) return 'ok'
  if (status === 401 || status === 403) return 'refused'
  return status === 503 ? 'come again' : 'other'
}
