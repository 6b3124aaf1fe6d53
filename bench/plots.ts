import { figureOf, rangeOf, type Column, type Table } from './report.ts'

/*
 * Plots as SVG text. Places across are percentages of the width, and sizes are pixels, so that a plot fits any screen and its text
 * stays as large as the rest of the page.
 */

const rowHeight = 40
const barHeight = 14
const plotHeight = 220
/** Above the highest line and below the lowest, for labels. */
const margin = 24

/** One figure for each column that is to be seen. */
export function plotsOf (table: Table): string[] {
  const { columns = [], x } = table.plot ?? {}
  return columns.map(key => {
    const column = table.columns[key]!
    const caption = `<figcaption>${escape(column.head)}${x === undefined ? '' : ` by ${escape(x)}`}</figcaption>`
    return `<figure>${caption}${x === undefined ? bars(table, key, column) : legend(table) + lines(table, key, column)}</figure>`
  })
}

/** A bar to the median, and a line from the least round to the greatest. */
function bars (table: Table, key: string, { head, digits }: Column): string {
  const names = Object.keys(table.arms)
  const greatest = Math.max(...names.map(name => rangeOf(table, name, key)?.greatest ?? 0))
  const rows = names.map((name, index) => {
    const range = rangeOf(table, name, key)
    const top = index * rowHeight
    const middle = top + 20 + barHeight / 2
    const label = `<text x="0" y="${top + 14}">${escape(name)}</text><text class="value" x="100%" y="${top + 14}">${range === null ? 'void' : range.median.toFixed(digits)}</text>`
    const track = `<rect class="track" x="0" y="${top + 20}" width="100%" height="${barHeight}" rx="2"/>`
    const isOwn = table.plot?.own?.includes(name) ?? true
    const bar = range === null
      ? ''
      : `<rect class="${isOwn ? 'own' : 'other'}" x="0" y="${top + 20}" width="${share(range.median, greatest)}" height="${barHeight}" rx="2"/>` +
        `<line class="spread" x1="${share(range.least, greatest)}" x2="${share(range.greatest, greatest)}" y1="${middle}" y2="${middle}"/>`
    return `<g><title>${escape(table.arms[name]!.what)}</title>${label}${track}${bar}</g>`
  })
  return svg(`${table.title}: ${head}`, names.length * rowHeight, rows.join(''))
}

function legend (table: Table): string {
  return `<p class="legend">${seriesOf(table).map((series, index) => `<span class="series-${index}">${escape(series)}</span>`).join(' ')}</p>`
}

/** A line for each series through the medians, and at each of them a line from the least round to the greatest. */
function lines (table: Table, key: string, { head, digits }: Column): string {
  const xs = [...new Set(Object.values(table.arms).map(({ at }) => at!.x))].toSorted((a, b) => a - b)
  const greatest = niceAbove(Math.max(...Object.keys(table.arms).map(name => rangeOf(table, name, key)?.greatest ?? 0)))
  const across = (x: number): string => `${(12 + 80 * (xs.length === 1 ? 0.5 : xs.indexOf(x) / (xs.length - 1))).toFixed(1)}%`
  const down = (value: number): string => (margin + plotHeight * (1 - value / greatest)).toFixed(1)
  const grid = [0, 0.25, 0.5, 0.75, 1].map(part => `<line class="grid" x1="0" x2="100%" y1="${down(part * greatest)}" y2="${down(part * greatest)}"/><text class="tick" x="0" y="${Number(down(part * greatest)) - 4}">${Number((part * greatest).toPrecision(3))}</text>`)
  const labels = xs.map(x => `<text class="tick middle" x="${across(x)}" y="${plotHeight + margin + 18}">${x.toLocaleString('en')}</text>`)
  const drawn = seriesOf(table).map((series, index) => {
    const points = Object.entries(table.arms).filter(([, { at }]) => at!.series === series).map(([name, { at, what }]) => ({ x: at!.x, what, range: rangeOf(table, name, key) })).toSorted((a, b) => a.x - b.x)
    const marks = points.flatMap(({ x, what, range }) => range === null
      ? []
      : [`<g><title>${escape(`${what}: ${range.median.toFixed(digits)}`)}</title><line class="spread" x1="${across(x)}" x2="${across(x)}" y1="${down(range.least)}" y2="${down(range.greatest)}"/><circle cx="${across(x)}" cy="${down(range.median)}" r="4"/></g>`])
    const between = points.slice(1).flatMap((point, at) => {
      const before = points[at]!
      return point.range === null || before.range === null ? [] : [`<line class="between" x1="${across(before.x)}" y1="${down(before.range.median)}" x2="${across(point.x)}" y2="${down(point.range.median)}"/>`]
    })
    return `<g class="series-${index}">${[...between, ...marks].join('')}</g>`
  })
  return svg(`${table.title}: ${head}`, plotHeight + margin * 2, [...grid, ...labels, ...drawn].join(''))
}

/** In the order of the arms. */
function seriesOf (table: Table): string[] {
  return [...new Set(Object.values(table.arms).map(({ at }) => at!.series))]
}

function svg (label: string, height: number, content: string): string {
  return `<svg role="img" aria-label="${escape(label)}" width="100%" height="${height}">${content}</svg>`
}

function share (value: number, whole: number): string {
  return `${(whole === 0 ? 0 : value / whole * 100).toFixed(2)}%`
}

/** The next of 1, 2, 4 and 8 times a power of ten, quarters of which are short numbers. */
function niceAbove (value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 4, 8].find(step => value <= step * power) === undefined ? 10 * power : [1, 2, 4, 8].find(step => value <= step * power)! * power
}

export function escape (text: string): string {
  return text.replaceAll(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

/** Whether anything of a table can be drawn. */
export function isPlottable (table: Table): boolean {
  return table.plot?.columns.some(column => Object.keys(table.arms).some(name => figureOf(table, name, column) !== null)) ?? false
}
