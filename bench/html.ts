import { escape, isPlottable, plotsOf } from './plots.ts'
import { armRows, goalHead, goalRow, notesOf, ratioHead, ratioRows, type Goal, type Result, type Table } from './report.ts'

const style = `
:root { color-scheme: light dark; --text: #1c2127; --soft: #59636e; --page: #fff; --panel: #f5f7f9; --line: #d5dbe1; --own: #0a66c2; --other: #8b96a3; --good: #1a7f37; --bad: #c4320a; --s1: #0a66c2; --s2: #b35900; --s3: #1a7f37; --s4: #8250df }
@media (prefers-color-scheme: dark) { :root { --text: #e3e8ee; --soft: #9aa5b1; --page: #14181d; --panel: #1d2329; --line: #37404a; --own: #58a6ff; --other: #6b7683; --good: #4cc38a; --bad: #ff8a65; --s1: #58a6ff; --s2: #f0a33e; --s3: #4cc38a; --s4: #b794f6 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem; font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page) }
h1 { font-size: 1.7rem; margin: 0 0 .5rem }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 1rem; padding-top: 1rem; border-top: 1px solid var(--line) }
h2 small { display: block; font-size: .85rem; font-weight: 400; color: var(--soft) }
h3 { font-size: 1rem; margin: 2rem 0 .5rem }
a { color: var(--own) }
p.soft, figcaption, dl, ul.notes { color: var(--soft); font-size: .875rem }
code { font-size: .875em; overflow-wrap: anywhere }
figure { margin: 1rem 0; padding: 1rem; background: var(--panel); border-radius: .5rem }
figcaption { margin-bottom: .5rem }
svg { display: block; overflow: visible; font: 13px system-ui, sans-serif }
svg text { fill: var(--text) }
svg .label { stroke: var(--panel); stroke-width: 4px; paint-order: stroke }
svg .value { text-anchor: end; font-variant-numeric: tabular-nums }
svg .tick { fill: var(--soft); font-size: 12px }
svg .middle { text-anchor: middle }
svg .track { fill: var(--line); opacity: .35 }
svg .own { fill: var(--own) }
svg .other { fill: var(--other) }
svg .spread { stroke: var(--text); stroke-width: 2 }
svg .grid { stroke: var(--line) }
svg .between { stroke: currentColor; stroke-width: 2 }
svg circle { fill: currentColor }
svg g[class] .spread { stroke: currentColor; stroke-width: 1.5; opacity: .6 }
.series-0 { color: var(--s1) } .series-1 { color: var(--s2) } .series-2 { color: var(--s3) } .series-3 { color: var(--s4) }
.legend { margin: 0 0 .25rem; font-size: .875rem }
.legend span { margin-right: 1rem; white-space: nowrap }
.legend span::before { content: ''; display: inline-block; width: .7em; height: .7em; margin-right: .4em; border-radius: 50%; background: currentColor }
.scroll { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .75rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 500 }
td.number { white-space: nowrap }
td.what { min-width: 16rem; color: var(--soft) }
td.met { color: var(--good); font-weight: 600 }
td.missed { color: var(--bad); font-weight: 600 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0 }
dd { margin: 0; overflow-wrap: anywhere }
summary { cursor: pointer; color: var(--soft); font-size: .875rem }
`

/** Formats all results as one self-contained, generated page. A bench that was not run has null. */
export function formatHtml (results: Record<string, { question: string, result: Result | null }>): string {
  const sections = Object.entries(results)
  const contents = sections.map(([name, { question, result }]) => [`<a href="#${escape(name)}">${escape(question)}</a>`, escape(result?.machine['date'] ?? 'not run'), sayGoals(result?.goals ?? [])])
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Portcullis: measured results</title>
<style>${style}</style>
</head>
<body>
<h1>Measured results</h1>
<p>Written by <code>npm run bench</code>. Bars and points are the medians of the rounds, thin lines go from the least to the greatest; where one reaches the upper edge of a plot, it goes on. Void is what something else than what is measured has set the pace of: it has no bar and no point.</p>
<p>Figures of other machines, other load generators or other headers cannot be compared with these. The ratios are what to compare.</p>
${table(['question', 'measured', 'goals'], contents, contents.map(() => ['', 'number', 'number']))}
${sections.map(([name, { question, result }]) => formatSection(name, question, result)).join('\n')}
</body>
</html>
`
}

function sayGoals (goals: Goal[]): string {
  if (goals.length === 0) return '–'
  const met = goals.filter(goal => goalRow(goal).at(-1) === 'met').length
  return `${met} of ${goals.length} met`
}

function formatSection (name: string, question: string, result: Result | null): string {
  const head = `<h2 id="${escape(name)}">${escape(question)}<small>${escape(name)}</small></h2>`
  if (result === null) return `${head}\n<p class="soft">Not run yet: <code>npm run bench -- ${escape(name)}</code></p>`
  const { goals, notRun, conditions, command, machine } = result
  return [
    head,
    ...result.tables.filter(isPlottable).map(formatPlots),
    ...goals.length === 0 ? [] : ['<h3>Goals</h3>', table(goalHead, goals.map(goal => goalRow(goal).map(escape)), goals.map(goal => ['', 'number', 'number', goalRow(goal).at(-1)!]))],
    ...result.tables.map(formatFigures),
    ...notRun.length === 0 ? [] : [`<h3>Not run</h3>\n${list(notRun)}`],
    `<p class="soft">${escape(conditions)}</p>`,
    `<details><summary>Where and how it was measured</summary><dl><dt>command</dt><dd><code>${escape(command)}</code></dd>${Object.entries(machine).map(([key, value]) => `<dt>${escape(key)}</dt><dd>${escape(value)}</dd>`).join('')}</dl></details>`
  ].join('\n')
}

function formatPlots (measured: Table): string {
  return `<h3>${escape(measured.title)}</h3>\n${plotsOf(measured).join('\n')}`
}

function formatFigures (measured: Table): string {
  const { head, rows } = armRows(measured)
  const compared = ratioRows(measured)
  return [
    `<details><summary>${escape(measured.title)}: figures</summary>`,
    table(head, rows.map(row => row.map(escape)), rows.map(row => row.map((_, column) => column === row.length - 1 ? 'what' : 'number'))),
    ...compared.length === 0 ? [] : [table([ratioHead(measured), 'ratio'], compared.map(row => row.map(escape)))],
    list(notesOf(measured)),
    '</details>'
  ].join('\n')
}

function list (lines: string[]): string {
  return lines.length === 0 ? '' : `<ul class="notes">${lines.map(line => `<li>${escape(line)}</li>`).join('')}</ul>`
}

/** Formats a table whose cells are markup already. */
function table (head: string[], rows: string[][], classes: string[][] = []): string {
  const cells = rows.map((row, at) => `<tr>${row.map((cell, column) => `<td class="${classes[at]?.[column] ?? ''}">${cell}</td>`).join('')}</tr>`)
  return `<div class="scroll"><table><thead><tr>${head.map(name => `<th>${escape(name)}</th>`).join('')}</tr></thead><tbody>${cells.join('')}</tbody></table></div>`.replaceAll(' class=""', '')
}
