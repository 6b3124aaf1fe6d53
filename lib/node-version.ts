/** The oldest Node on which the plugins run, and the oldest on which a server of serverOptions, and so the command line, runs. */
export const sinceNode = { plugins: '22.19.0', server: '24.9.0' }

/** Returns one line that says which Node is needed, or null if `current` is not older than `since`. */
export function nodeProblem (since: string, current: string): string | null {
  const [major = 0, minor = 0] = numbersOf(current)
  const [leastMajor = 0, leastMinor = 0] = numbersOf(since)
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return null
  return `needs Node ${leastMajor}.${leastMinor} or newer; this is Node ${current}`
}

function numbersOf (version: string): number[] {
  return version.split('.').map(Number)
}
