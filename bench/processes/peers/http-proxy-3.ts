import { createProxyServer } from 'http-proxy-3'
import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { argsOfParent, cpuTime, serveParent } from '../child.ts'

/** The successor of http-proxy, with keep-alive connections to the upstream. */
const proxy = createProxyServer({ target: argsOfParent<{ upstream: string }>().upstream, agent: new Agent({ keepAlive: true }) })
proxy.on('error', (_error, _request, response) => { response.destroy() })

const server = createServer((request, response) => { proxy.web(request, response) })
server.listen(0, '127.0.0.1', () => {
  serveParent({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, { cpu: cpuTime })
})
