import autocannon from 'autocannon'
import { cpuTime, serveParent } from './child.ts'

export interface Load {
  url: string
  path: string
  /** The headers of each client; the connections share the clients among themselves. */
  clients: Array<Record<string, string>>
  connections: number
  seconds: number
  /** The required status of every answer. */
  status: number
  /** The required body; null for any. */
  body: string | null
}

export interface LoadResult {
  requests: number
  seconds: number
  /** The number of other answers, and of requests without an answer. */
  failures: number
  p50Ms: number
  p99Ms: number
  /** The CPU time of the generator itself. */
  cpuUs: number
}

/** Sends one request at a time on each connection, the next one when the answer has arrived. */
async function run ({ url, path, clients, connections, seconds, status, body }: Load): Promise<LoadResult> {
  const latencies: number[] = []
  const before = cpuTime()
  let connection = 0
  let others = 0
  const { requests, duration, errors, mismatches } = await new Promise<autocannon.Result>((resolve, reject) => {
    const running = autocannon({
      url,
      connections,
      duration: seconds,
      sampleInt: 100,
      ...body === null ? {} : { expectBody: body },
      setupClient (client) {
        const own = clients.filter((_, index) => index % connections === connection % clients.length)
        connection++
        client.setRequests(own.map(headers => ({ method: 'GET', path, headers })))
      }
    }, (error: Error | null, result) => {
      if (error === null) resolve(result)
      else reject(error)
    })
    running.on('response', (_client, answered, _bytes, latencyMs) => {
      if (answered !== status) others++
      latencies.push(latencyMs)
    })
  })
  latencies.sort((a, b) => a - b)
  const percentile = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0
  return { requests: requests.total, seconds: duration, failures: others + errors + mismatches, p50Ms: percentile(0.5), p99Ms: percentile(0.99), cpuUs: cpuTime().cpuUs - before.cpuUs }
}

serveParent({}, { run })
