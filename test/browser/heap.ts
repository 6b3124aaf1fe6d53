import type { Page } from 'playwright-core'

interface Snapshot {
  snapshot: { meta: { node_fields: string[], node_types: [string[], ...unknown[]], edge_fields: string[], edge_types: [string[], ...unknown[]] } }
  nodes: number[]
  edges: number[]
  strings: string[]
}

/** A page's memory, garbage collected. */
export interface Heap {
  /** Whether it is in any string, wherever that is held. V8 writes down the first 1024 characters of each. */
  holds (text: string): boolean
  /** How any other script of the page could find it: from the global object, or the top level of a script, through properties, elements, maps, sets and promises. Null: it could not. */
  pathTo (text: string): string | null
}

export async function takeHeap (page: Page): Promise<Heap> {
  const session = await page.context().newCDPSession(page)
  let text = ''
  session.on('HeapProfiler.addHeapSnapshotChunk', ({ chunk }) => { text += chunk })
  await session.send('HeapProfiler.collectGarbage')
  await session.send('HeapProfiler.takeHeapSnapshot', { reportProgress: false })
  await session.detach()
  const snapshot = JSON.parse(text) as Snapshot
  const paths = pathsIn(snapshot)
  return {
    holds: text => snapshot.strings.some(string => string.includes(text)),
    pathTo: text => [...paths].find(([name]) => snapshot.strings[name]!.includes(text))?.[1]() ?? null
  }
}

/** What strings that were put together, promises, maps and sets consist of. */
const withinValues = new Set(['first', 'second', 'parent', 'reactions_or_result', 'table'])

/** Names (of strings: the strings themselves) of all nodes that scripts can reach, and how. */
function pathsIn ({ snapshot: { meta }, nodes, edges, strings }: Snapshot): Map<number, () => string> {
  const [nodeSize, edgeSize] = [meta.node_fields.length, meta.edge_fields.length]
  const [name, edgeCount] = [meta.node_fields.indexOf('name'), meta.node_fields.indexOf('edge_count')]
  const [edgeName, target] = [meta.edge_fields.indexOf('name_or_index'), meta.edge_fields.indexOf('to_node')]
  const firstEdges: number[] = []
  for (let node = 0, edge = 0; node < nodes.length; node += nodeSize) {
    firstEdges.push(edge)
    edge += nodes[node + edgeCount]! * edgeSize
  }

  const nameOf = (node: number): string => strings[nodes[node + name]!]!
  const kindOf = (node: number): string => meta.node_types[0][nodes[node]!]!
  const isWithin = (node: number, edge: number): boolean => {
    switch (meta.edge_types[0][edges[edge]!]!) {
      // Of the browser's own objects: listeners, say, which no script gets to see.
      case 'element': return kindOf(node) !== 'native'
      case 'property': return !strings[edges[edge + edgeName]!]!.startsWith('#')
      // Of a map or a set.
      case 'internal': return withinValues.has(strings[edges[edge + edgeName]!]!) || kindOf(node) === 'array'
      // What scripts declare at their top level, all others see; what functions close over they do not.
      case 'context': return scripts.has(node)
      case 'hidden': return nameOf(node) === 'system / ContextCell'
      default: return false
    }
  }
  const edgesOf = (node: number): number[] => Array.from({ length: nodes[node + edgeCount]! }, (_, index) => firstEdges[node / nodeSize]! + index * edgeSize)
  const all = firstEdges.map((_, index) => index * nodeSize)
  const scripts = new Set(all.filter(node => nameOf(node) === 'system / ScriptContextTable').flatMap(edgesOf).map(edge => edges[edge + target]!).filter(node => nameOf(node).startsWith('system / Context')))

  const open = [...scripts, ...all.filter(node => nameOf(node).startsWith('Window [JSGlobalObject]'))]
  /** By what edge of what node each was reached first. */
  const reached = new Map<number, { edge: number, from: number } | null>(open.map(node => [node, null]))
  for (const node of open) {
    for (const edge of edgesOf(node)) {
      const next = edges[edge + target]!
      if (reached.has(next) || !isWithin(node, edge)) continue
      reached.set(next, { edge, from: node })
      open.push(next)
    }
  }
  const pathOf = (node: number): string => {
    const step = reached.get(node) ?? null
    return step === null ? nameOf(node) : `${pathOf(step.from)} > ${hasNumber.has(meta.edge_types[0][edges[step.edge]!]!) ? edges[step.edge + edgeName] : strings[edges[step.edge + edgeName]!]}`
  }
  return new Map([...reached.keys()].map(node => [nodes[node + name]!, () => pathOf(node)]))
}

const hasNumber = new Set(['element', 'hidden'])
