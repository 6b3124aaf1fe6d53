import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { findClosedPort } from '../helpers/closed-port.ts'
import { makeFolder, startBehind, startServer } from './behind.ts'

/*
 * Jupyter Notebook behind the gateway: a notebook is created, and a cell of it runs in a kernel, to which a WebSocket leads. The requests have
 * the headers of its pages: Origin, and the cookie and header against forged requests (_xsrf).
 */

t.setTimeout(180_000)

interface Message { msg_type: string, parent_header: { msg_id?: string }, content: { text?: string, execution_state?: string } }

for (const [title, { base, prefix }] of Object.entries({
  'at /': { base: '/', prefix: '/' },
  'under a prefix that Jupyter knows (base_url)': { base: '/jupyter/', prefix: '/jupyter' }
})) {
  t.test(`Jupyter creates a notebook and runs a cell ${title}`, async t => {
    const folder = await makeFolder(t)
    const port = await findClosedPort()
    await mkdir(join(folder, 'notebooks'))
    await startServer(t, port, ['jupyter-notebook', '--no-browser', '--allow-root', '--ip=127.0.0.1', `--port=${port}`, '--NotebookApp.token=', '--NotebookApp.password=', `--NotebookApp.base_url=${base}`, `--notebook-dir=${join(folder, 'notebooks')}`], { cwd: folder, env: { PATH: process.env['PATH'] ?? '', HOME: folder } })
    const behind = await startBehind(t, { prefix, target: `http://127.0.0.1:${port}`, websocket: true })

    const tree = await fetch(`${behind.url}tree`, { headers: { cookie: behind.cookie } })
    t.equal(tree.status, 200)
    t.match(await tree.text(), `data-base-url="${base}"`)
    // Jupyter sets the cookie with its page.
    const xsrf = tree.headers.getSetCookie().map(line => line.split(';')[0]!).find(pair => pair.startsWith('_xsrf='))
    t.type(xsrf, 'string')
    const headers = { cookie: `${behind.cookie}; ${xsrf}`, 'x-xsrftoken': xsrf!.slice('_xsrf='.length), origin: behind.origin, 'content-type': 'application/json' }
    const post = async (path: string, body: object): Promise<Response> => await fetch(`${behind.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })

    const created = await post('api/contents', { type: 'notebook' })
    t.equal(created.status, 201)
    const { path } = await created.json() as { path: string }
    t.equal(path, 'Untitled.ipynb')
    const { kernel, id } = await (await post('api/sessions', { path, name: '', type: 'notebook', kernel: { name: 'python3' } })).json() as { id: string, kernel: { id: string } }

    const socket = new WebSocket(`${behind.url.replace('http:', 'ws:')}api/kernels/${kernel.id}/channels?session_id=${id}`, { headers: { cookie: headers.cookie }, origin: behind.origin })
    t.teardown(() => { socket.terminate() })
    await once(socket, 'open')
    const id1 = randomUUID()
    const printed = new Promise<string>(resolve => {
      socket.on('message', (data: Buffer, isBinary: boolean) => {
        if (isBinary) return
        const { msg_type: type, parent_header: { msg_id: parent }, content } = JSON.parse(data.toString()) as Message
        if (type === 'stream' && parent === id1) resolve(content.text!)
      })
    })
    socket.send(JSON.stringify({ header: { msg_id: id1, msg_type: 'execute_request', session: id, username: 'ada', date: new Date().toISOString(), version: '5.3' }, parent_header: {}, metadata: {}, channel: 'shell', buffers: [], content: { code: 'print("größe", 6 * 7)', silent: false, store_history: true, user_expressions: {}, allow_stdin: false, stop_on_error: true } }))
    t.equal(await printed, 'größe 42\n')

    const closed = once(socket, 'close')
    t.equal((await fetch(`${behind.origin}/auth/logout`, { method: 'POST', headers: { cookie: behind.cookie } })).status, 204)
    t.equal((await closed)[0], 1008, 'the socket ends with the session')
    t.equal((await post('api/contents', { type: 'notebook' })).status, 401)
    t.equal(behind.gateway.output.stderr, '')
  })
}
