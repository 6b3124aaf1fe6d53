import type { Spread } from './harness.ts'
import { figureOf, rangeOf, type Column, type Table } from './report.ts'

/* Plots as SVG text. Horizontal positions are percentages of the width, and sizes are pixels, so that a plot fits any screen and
 * its text is as large as the rest of the page. */

const rowHeight = 40
const barHeight = 14
const plotHeight = 220
/** The space above the highest line and below the lowest, for labels. */
const margin = 24

/** Returns one figure for each visible column. */
export function plotsOf (table: Table): string[] {
  const { columns = [], x } = table.plot ?? {}
  return columns.map(key => {
    const column = table.columns[key]!
    const caption = `<figcaption>${escape(column.head)}${x === undefined ? '' : ` by ${escape(x)}`}</figcaption>`
    return `<figure>${caption}${x === undefined ? bars(table, key, column) : legend(table) + lines(table, key, column)}</figure>`
  })
}

/** Draws a bar to the median, and a line from the least round to the greatest. */
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
  const series = seriesOf(table)
  return series.length === 1 ? '' : `<p class="legend">${series.map((name, index) => `<span class="series-${index}">${escape(name)}</span>`).join(' ')}</p>`
}

/** A point of a series: its position and its values. */
interface Point { across: number, what: string, range: Spread | null }

/** Draws a line for each series through the medians, and at each point a line from the least round to the greatest. */
function lines (table: Table, key: string, { head, digits }: Column): string {
  const xs = [...new Set(Object.values(table.arms).map(({ at }) => at!.x))].toSorted((a, b) => a - b)
  // The scale follows the medians: one disturbed round would flatten all others.
  const top = niceAbove(Math.max(...Object.keys(table.arms).map(name => figureOf(table, name, key) ?? 0)) * 1.2)
  const down = (value: number): number => Math.max(2, margin + plotHeight * (1 - value / top))
  const across = (x: number): number => 12 + 80 * (xs.length === 1 ? 0.5 : xs.indexOf(x) / (xs.length - 1))
  const grid = [0, 0.25, 0.5, 0.75, 1].map(part => `<line class="grid" x1="0" x2="100%" y1="${pixels(down(part * top))}" y2="${pixels(down(part * top))}"/><text class="tick" x="0" y="${pixels(down(part * top) - 4)}">${Number((part * top).toPrecision(3))}</text>`)
  const labels = xs.map(x => `<text class="tick middle" x="${percent(across(x))}" y="${plotHeight + margin + 18}">${x.toLocaleString('en')}</text>`)
  const series = seriesOf(table)
  const drawn = series.map((name, index) => {
    // The series are shifted sideways where they would overlap.
    const aside = (index - (series.length - 1) / 2) * 1.2
    const points = Object.entries(table.arms)
      .filter(([, { at }]) => at!.series === name)
      .toSorted(([, one], [, other]) => one.at!.x - other.at!.x)
      .map(([arm, { at, what }]): Point => ({ across: across(at!.x) + aside, what, range: rangeOf(table, arm, key) }))
    return `<g class="series-${index}">${drawBetween(points, down)}${points.map(point => drawPoint(point, digits, series.length === 1, down)).join('')}</g>`
  })
  return svg(`${table.title}: ${head}`, plotHeight + margin * 2, [...grid, ...labels, ...drawn].join(''))
}

/** Draws lines from each point to the next one that has a value. */
function drawBetween (points: Point[], down: (value: number) => number): string {
  return points.slice(1).map((point, at) => {
    const before = points[at]!
    if (point.range === null || before.range === null) return ''
    return `<line class="between" x1="${percent(before.across)}" y1="${pixels(down(before.range.median))}" x2="${percent(point.across)}" y2="${pixels(down(point.range.median))}"/>`
  }).join('')
}

function drawPoint ({ across, what, range }: Point, digits: number, isLabelled: boolean, down: (value: number) => number): string {
  if (range === null) return ''
  const x = percent(across)
  const value = range.median.toFixed(digits)
  const label = isLabelled ? `<text class="label" x="${x}" dx="8" y="${pixels(down(range.median) - 8)}">${value}</text>` : ''
  return `<g><title>${escape(`${what}: ${value}`)}</title><line class="spread" x1="${x}" x2="${x}" y1="${pixels(down(range.least))}" y2="${pixels(down(range.greatest))}"/><circle cx="${x}" cy="${pixels(down(range.median))}" r="4"/>${label}</g>`
}

/** Returns the series in the order of the arms. */
function seriesOf (table: Table): string[] {
  return [...new Set(Object.values(table.arms).map(({ at }) => at!.series))]
}

function svg (label: string, height: number, content: string): string {
  return `<svg role="img" aria-label="${escape(label)}" width="100%" height="${height}">${content}</svg>`
}

function share (value: number, whole: number): string {
  return percent(whole === 0 ? 0 : value / whole * 100)
}

function percent (value: number): string {
  return `${value.toFixed(2)}%`
}

function pixels (value: number): string {
  return value.toFixed(1)
}

/** Returns the next of 1, 2, 4 and 8 times a power of ten, because quarters of these are short numbers. */
function niceAbove (value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 2, 4, 8].find(step => value <= step * power) ?? 10)
}

export function escape (text: string): string {
  return text.replaceAll(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

/** Returns whether a table has anything to draw. */
export function isPlottable (table: Table): boolean {
  return table.plot?.columns.some(column => Object.keys(table.arms).some(name => figureOf(table, name, column) !== null)) ?? false
}
