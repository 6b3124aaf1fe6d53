import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

// Installs the servers that the tests start on free ports, a browser, and the tool that makes it trust a certificate. Plain
// JavaScript, because this runs before any dependency is available. The arguments name the packages that a suite needs.
const programs = [
  { commands: ['redis-server'], package: 'redis-server', service: 'redis-server' },
  { commands: ['chromium', 'chromium-browser', 'google-chrome'], package: 'chromium' },
  { commands: ['certutil'], package: 'libnss3-tools' },
  { commands: ['haproxy'], package: 'haproxy', service: 'haproxy' },
  { commands: ['nginx'], package: 'nginx', service: 'nginx' },
  { commands: ['/usr/lib/nginx/modules/ngx_http_dav_ext_module.so'], package: 'libnginx-mod-http-dav-ext' },
  { commands: ['fcgiwrap'], package: 'fcgiwrap', service: 'fcgiwrap.socket' },
  { commands: ['rclone'], package: 'rclone' },
  { commands: ['glewlwyd'], package: 'glewlwyd', service: 'glewlwyd' },
  { commands: ['apache2'], package: 'apache2', service: 'apache2' },
  { commands: ['/usr/lib/apache2/modules/mod_auth_openidc.so'], package: 'libapache2-mod-auth-openidc' },
  { commands: ['git'], package: 'git' },
  { commands: ['jupyter-notebook'], package: 'jupyter-notebook' },
  { commands: ['/usr/lib/python3/dist-packages/ipykernel'], package: 'python3-ipykernel' }
]

const named = process.argv.slice(2)
const missing = programs.filter(program => named.includes(program.package) && !program.commands.some(isInPath))
if (missing.length > 0) install(missing)

function install (missing) {
  const packages = missing.map(program => program.package)
  const isRoot = process.getuid?.() === 0
  const isUnattended = process.env.CI === 'true' || !process.stdin.isTTY
  if (!isRoot || !isUnattended || !succeeds('apt-get', ['--version'])) {
    fail(`The tests need ${packages.join(', ')}: install them (Debian, Ubuntu: sudo apt-get install ${packages.join(' ')}) and run them again`)
  }

  console.log(`The tests need ${packages.join(', ')}: installing with apt-get`)
  run('apt-get', ['update'])
  run('apt-get', ['install', '-y', '--no-install-recommends', ...packages])
  // Debian starts a service at installation. It was not installed before and is not wanted, so it is stopped.
  for (const { service } of missing) {
    if (service !== undefined && !succeeds('systemctl', ['disable', '--now', service])) succeeds('service', [service, 'stop'])
  }
}

function run (command, args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
  if (status !== 0) fail(`${command} ${args.join(' ')} failed: ${stderr?.trim().split('\n').at(-1) ?? 'it could not be started'}`)
}

function isInPath (command) {
  return (process.env.PATH ?? '').split(delimiter).some(folder => {
    try {
      // A module of a server has a full path, and need not be executable.
      if (isAbsolute(command)) accessSync(command, constants.R_OK)
      else accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function succeeds (command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function fail (message) {
  console.error(message)
  process.exit(1)
}
