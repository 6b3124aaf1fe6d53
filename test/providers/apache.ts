import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { findClosedPort } from '../helpers/closed-port.ts'
import { clientSecret } from '../helpers/openid-provider.ts'

const modules = '/usr/lib/apache2/modules'

export interface Apache {
  origin: string
  /** Starts Apache with mod_auth_openidc in front of a service, with sign-in at the provider. */
  start (issuer: string, service: string): Promise<void>
}

/** Reserves a port for Apache, because the provider has to know the address first. */
export async function prepareApache (t: Pick<Test, 'teardown'>): Promise<Apache> {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  return {
    origin,
    async start (issuer, service) {
      const folder = await mkdtemp(join(tmpdir(), 'portcullis-apache-'))
      await writeFile(join(folder, 'apache.conf'), configuration({ folder, port, origin, issuer, service }))
      const child = spawn('apache2', ['-f', join(folder, 'apache.conf'), '-DFOREGROUND'], { stdio: ['ignore', 'inherit', 'inherit'] })
      t.teardown(async () => {
        const ended = new Promise(resolve => child.once('exit', resolve))
        child.kill('SIGTERM')
        await ended
        await rm(folder, { recursive: true, force: true })
      })
      for (let tries = 0; tries < 100; tries++) {
        const isUp = await fetch(origin, { redirect: 'manual' }).then(() => true, () => false)
        if (isUp) return
        await delay(50)
      }
      throw new Error(`Apache does not answer: ${await readFile(join(folder, 'error.log'), 'utf8')}`)
    }
  }
}

function configuration ({ folder, port, origin, issuer, service }: { folder: string, port: number, origin: string, issuer: string, service: string }): string {
  const loaded = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'proxy', 'proxy_http', 'auth_openidc'].map(name => `LoadModule ${name}_module ${modules}/mod_${name}.so`)
  return `
ServerRoot ${folder}
ServerName localhost
PidFile ${folder}/apache.pid
ErrorLog ${folder}/error.log
Listen 127.0.0.1:${port}
User www-data
Group www-data
${loaded.join('\n')}
ProxyPass /oidc !
ProxyPass / ${service}/ flushpackets=on
OIDCProviderMetadataURL ${issuer}/.well-known/openid-configuration
OIDCClientID portcullis
OIDCClientSecret ${clientSecret}
OIDCRedirectURI ${origin}/oidc/callback
OIDCCryptoPassphrase a-passphrase-of-this-test
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCSessionType server-cache
OIDCCacheType shm
OIDCCookieSameSite On
<Location />
  AuthType openid-connect
  Require valid-user
</Location>
<Location /strong>
  AuthType openid-connect
  OIDCUnAutzAction auth
  OIDCPathAuthRequestParams prompt=login&acr_values=2
  Require claim acr:2
</Location>
`
}
