import { nodeProblem, sinceNode } from '../lib/node-version.ts'

/** Returns one line for a Node that is too old for the command line, or null. It loads nothing that such a Node could not. */
export function commandProblem (nodeVersion: string): string | null {
  const problem = nodeProblem(sinceNode.server, nodeVersion)
  return problem === null ? null : `portcullis ${problem}`
}
