import { spawnSync } from 'node:child_process'

// Real servers that the tests start on ports of their own. Plain JavaScript: this runs before anything can be relied on.
// Those of the long suites are named as arguments.
const servers = [
  { command: 'redis-server', version: '--version', package: 'redis-server', service: 'redis-server', isAlways: true },
  { command: 'haproxy', version: '-v', package: 'haproxy', service: 'haproxy', isAlways: false }
]

const named = process.argv.slice(2)
const wanted = servers.filter(server => server.isAlways || named.includes(server.command))
const missing = wanted.filter(server => !succeeds(server.command, [server.version]))
if (missing.length > 0) install(missing)

function install (missing) {
  const packages = missing.map(server => server.package)
  const isRoot = process.getuid?.() === 0
  const isUnattended = process.env.CI === 'true' || !process.stdin.isTTY
  if (!isRoot || !isUnattended || !succeeds('apt-get', ['--version'])) {
    fail(`The tests need ${packages.join(', ')}: install it (Debian, Ubuntu: sudo apt-get install ${packages.join(' ')}) and run them again`)
  }

  console.log(`The tests need ${packages.join(', ')}: installing it with apt-get`)
  run('apt-get', ['update'])
  run('apt-get', ['install', '-y', '--no-install-recommends', ...packages])
  // Packages start a service at once; it was not there before and nobody asked for it.
  for (const { service } of missing) {
    if (!succeeds('systemctl', ['disable', '--now', service])) succeeds('service', [service, 'stop'])
  }
}

function run (command, args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
  if (status !== 0) fail(`${command} ${args.join(' ')} failed: ${stderr?.trim().split('\n').at(-1) ?? 'it could not be started'}`)
}

function succeeds (command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function fail (message) {
  console.error(message)
  process.exit(1)
}
