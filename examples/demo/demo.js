import { createClient } from '/auth/client/index.js'

/* One page with everything that an application does: show the signed-in user, call a service, step up, follow a live feed, sign
 * out. The page has no token in either mode: the client keeps it. */

const $ = id => document.getElementById(id)
const modeOf = () => localStorage.getItem('mode') ?? 'session'

let client = start(modeOf())
/** The open connection: a WebSocket, or a stream when a token has to be sent with the request. */
let live = null
let renewals = 0

/** Starts the page. The kind of sign-in of this browser is not secret, and is kept across a reload. */
function start (mode) {
  localStorage.setItem('mode', mode)
  document.querySelector(`[name=mode][value=${mode}]`).checked = true
  const started = createClient({ mode, onSignedOut: () => say('bad', 'Nobody is signed in any more.'), onStepUp: askForPassword })
  let before = { status: null, session: null }
  started.onChange(change => {
    if (client !== started) return
    if (before.status === 'refreshing' && change.status === 'signed-in' && mode === 'tokens') {
      if (before.session !== null) renewals++
      say('good', before.session === null ? 'An access token came into memory.' : 'The access token was replaced by the next one, and the refresh cookie with it.')
    }
    before = change
    show(change.status, change.session)
  })
  return started
}

client.session().then(session => show(session === null ? 'signed-out' : 'signed-in', session), tell)

function show (status, session) {
  const isKnown = session !== null && status !== 'signed-out'
  $('signed-in').hidden = !isKnown
  $('signed-out').hidden = isKnown || status === 'unknown' || status === 'refreshing'
  if (!isKnown) return
  nameLive()
  const isTokens = modeOf() === 'tokens'
  $('subject').value = session.subject
  $('held').textContent = isTokens ? 'an access token in memory, a refresh token in an HttpOnly cookie' : 'one HttpOnly cookie'
  $('since').textContent = clock(session.created_at)
  $('fresh').textContent = clock(session.auth_time)
  $('rotation').hidden = !isTokens
  // The gateway's pages require the session cookie.
  $('account').hidden = isTokens
  $('rotated').textContent = renewals === 0 ? 'the first one' : `renewed ${renewals === 1 ? 'once' : `${renewals} times`}, last at ${new Date().toLocaleTimeString()}`
}

$('sign-in').addEventListener('submit', event => {
  event.preventDefault()
  const { username, password, mode } = Object.fromEntries(new FormData(event.target))
  if (mode !== modeOf()) {
    client.close()
    renewals = 0
    client = start(mode)
  }
  client.signIn({ username, password }).then(session => {
    say('good', `Signed in as ${session.subject}. This page holds ${mode === 'tokens' ? 'an access token, in memory alone' : 'nothing at all: the cookie is out of its reach'}.`)
    show('signed-in', session)
  }, tell)
})

const actions = {
  async orders () {
    const answer = await client.fetch('/orders/42')
    const { claims } = await answer.json()
    say(answer.ok ? 'good' : 'bad', `GET /orders/42: ${answer.status}. The service was told, in a token for it alone:`, JSON.stringify(claims, null, 1))
  },
  async pay () {
    const answer = await client.fetch('/billing/pay', { method: 'POST' })
    say(answer.ok ? 'good' : 'bad', `POST /billing/pay: ${answer.status}. ${answer.ok ? 'Your password was given a moment ago.' : 'Refused: it wants your password.'}`)
  },
  async live () {
    if (live !== null) return live.close()
    live = modeOf() === 'tokens' ? await openStream() : openSocket()
    nameLive()
  },
  async out () { await client.signOut() },
  async everywhere () { await client.signOut({ scope: 'all' }) }
}

for (const button of document.querySelectorAll('[data-do]')) {
  button.addEventListener('click', () => { actions[button.dataset.do]().catch(tell) })
}

/** Asks for the password. The client retries the request after a successful step-up. */
async function askForPassword ({ stepUp }) {
  const dialog = $('step-up')
  const form = dialog.querySelector('form')
  say('', 'The service demands a fresh authentication (401, insufficient_user_authentication).')
  for (let error = ''; ;) {
    form.reset()
    $('step-up-error').textContent = error
    dialog.returnValue = ''
    dialog.showModal()
    await new Promise(resolve => dialog.addEventListener('close', resolve, { once: true }))
    if (dialog.returnValue !== 'go') throw new Error('You did not confirm it.')
    try {
      await stepUp({ password: new FormData(form).get('password') })
      say('good', 'You have proved anew who you are; what this browser held before is worthless now.')
      return
    } catch (thrown) {
      if (thrown.code !== 'PTC_ERR_LOGIN_REFUSED') throw thrown
      error = 'That is not your password.'
    }
  }
}

function openSocket () {
  const socket = new WebSocket('/live')
  socket.addEventListener('message', ({ data }) => ticked(data))
  socket.addEventListener('close', ({ code }) => ended(code === 1008 ? 'The gateway has closed the WebSocket (1008): its session is over.' : `The WebSocket was closed (${code}).`))
  return { close: () => socket.close(1000) }
}

/** Opens a stream. Browsers send no token with a WebSocket, so fetch reads a stream of equal content. */
async function openStream () {
  const closing = new AbortController()
  const { body } = await client.fetch('/live', { signal: closing.signal })
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  const read = async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      ticked(/\d+/.exec(value)?.[0] ?? '')
    }
  }
  read().then(() => ended('The stream has ended.'), () => ended(closing.signal.aborted ? 'You have closed the stream.' : 'The gateway has cut the stream: its session is over.'))
  return { close: () => closing.abort() }
}

function ticked (count) {
  if (count === '1') say('good', 'It is live: each second brings a message.')
  $('socket').className = 'open'
  $('socket-state').textContent = `live: ${count} ${count === '1' ? 'message' : 'messages'}`
}

function ended (why) {
  live = null
  nameLive()
  $('socket').className = 'closed'
  $('socket-state').textContent = 'nothing live is open any more'
  say('bad', why)
}

function nameLive () {
  const what = modeOf() === 'tokens' ? 'stream' : 'WebSocket'
  $('live-name').textContent = live === null ? `Open a live ${what}` : `Close the ${what}`
  $('live-what').textContent = '/live: it ends the moment your session does'
}

function tell (error) {
  say('bad', error.code === undefined ? error.message : `${error.message} (${error.code})`)
}

function say (kind, text, more) {
  const line = document.createElement('li')
  line.className = kind
  const time = document.createElement('time')
  time.textContent = new Date().toLocaleTimeString()
  line.append(time, ` ${text}`)
  if (more !== undefined) {
    const block = document.createElement('pre')
    block.textContent = more
    line.append(block)
  }
  $('log').prepend(line)
}

function clock (seconds) {
  return new Date(seconds * 1000).toLocaleTimeString()
}
