import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { BenchContext, Place } from './harness.ts'
import { usageOfProgram, type Usage } from './hop.ts'
import { freePort } from './redis.ts'

/* Proxies that are not Node programs, with one thread each, as their distribution builds them. */

export interface NativeProxy { url: string, usage: Usage }

/** The checks of a token; a file has the public key for the signature. */
export interface TokenChecks { algorithm: 'ES256' | 'RS256', keyFile: string, issuer: string, audience: string }

const versionFlags = { haproxy: '-v', nginx: '-v' }
type Program = keyof typeof versionFlags

const startsWithinMs = 10_000

/** Debian installs the proxies in a directory that is not in every user's PATH. */
const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` }

export function versionOf (program: Program): string | null {
  const { status, stdout, stderr } = spawnSync(program, [versionFlags[program]], { encoding: 'utf8', env })
  return status === 0 ? /\d+\.\d+(\.\d+)?/.exec(`${stdout} ${stderr}`)?.[0] ?? 'unknown' : null
}

export function missing (program: Program): string {
  return `${program} is not installed (Debian: apt-get install ${program})`
}

export async function startHaproxy (name: string, upstream: string, checks: TokenChecks | null, context: BenchContext): Promise<NativeProxy> {
  const port = await freePort()
  const file = join(context.directory, `${name}.cfg`)
  await writeFile(file, `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend clients
  bind 127.0.0.1:${port}
${checks === null ? '' : haproxyChecks(checks)}  default_backend upstream
backend upstream
  http-reuse always
  server upstream ${new URL(upstream).host}
`)
  return await startProgram(['haproxy', '-db', '-f', file], port, context)
}

/** Returns the checks as HAProxy's own documentation combines them: first the claims of the token, then its signature. */
function haproxyChecks ({ algorithm, keyFile, issuer, audience }: TokenChecks): string {
  return [
    "http-request set-var(txn.alg) http_auth_bearer,jwt_header_query('$.alg')",
    "http-request set-var(txn.iss) http_auth_bearer,jwt_payload_query('$.iss')",
    "http-request set-var(txn.aud) http_auth_bearer,jwt_payload_query('$.aud')",
    "http-request set-var(txn.exp) http_auth_bearer,jwt_payload_query('$.exp','int')",
    'http-request set-var(txn.now) date()',
    `http-request deny deny_status 401 unless { var(txn.alg) -m str ${algorithm} }`,
    `http-request deny deny_status 401 unless { var(txn.iss) -m str ${issuer} }`,
    `http-request deny deny_status 401 unless { var(txn.aud) -m str ${audience} }`,
    'http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }',
    `http-request deny deny_status 401 unless { http_auth_bearer,jwt_verify(txn.alg,"${keyFile}") -m int 1 }`
  ].map(line => `  ${line}\n`).join('')
}

export async function startNginx (upstream: string, context: BenchContext): Promise<NativeProxy> {
  return await runNginx('nginx', 'measured', toUpstream(upstream), context)
}

/** Starts nginx as an upstream: it has the answer itself, and asks `otherwise` for paths that end with `/seen`. */
export async function startNginxAnswering ({ body, otherwise }: { body: string, otherwise: string }, context: BenchContext): Promise<NativeProxy> {
  return await runNginx('nginx-upstream', 'rest', {
    servers: toUpstream(otherwise).servers,
    locations: `location ~ /seen$ { proxy_pass http://upstream; }
    location / { default_type "application/json; charset=utf-8"; add_header Cache-Control "private, max-age=0"; add_header ETag '"42-1"'; return 200 '${body}'; }`
  }, context)
}

function toUpstream (upstream: string): { servers: string, locations: string } {
  return {
    servers: `upstream upstream { server ${new URL(upstream).host}; keepalive 64; keepalive_requests 1000000000; }`,
    locations: `location / {
      proxy_pass http://upstream;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }`
  }
}

async function runNginx (name: string, place: Place, { servers, locations }: { servers: string, locations: string }, context: BenchContext): Promise<NativeProxy> {
  const port = await freePort()
  const folder = join(context.directory, name)
  await mkdir(folder)
  const file = join(folder, 'nginx.conf')
  await writeFile(file, `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(kind => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  ${servers}
  server {
    listen 127.0.0.1:${port};
    ${locations}
  }
}
`)
  return await startProgram(['nginx', '-e', 'stderr', '-p', folder, '-c', file], port, context, place)
}

async function startProgram (command: string[], port: number, context: BenchContext, place: Place = 'measured'): Promise<NativeProxy> {
  const child = context.run(command, place, { env })
  for (const startedMs = performance.now(); !await accepts(port); await wait(20)) {
    if (child.exitCode !== null || performance.now() - startedMs > startsWithinMs) throw new Error(`${command[0]} does not start`)
  }
  // The process of taskset becomes the program that it starts, so the pid stays.
  return { url: `http://127.0.0.1:${port}`, usage: usageOfProgram(child.pid ?? 0) }
}

async function accepts (port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => { resolve(true); socket.destroy() })
    socket.on('error', () => { resolve(false) })
  })
}
