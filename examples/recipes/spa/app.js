/* global location -- This file is loaded by browsers. */
import { createClient } from '/auth/client/index.js'

const signIn = () => { location.assign(`/auth/sign-in?return_to=${encodeURIComponent(location.pathname + location.search)}${location.hash}`) }
const client = createClient({ onSignedOut: signIn })

if (await client.session() === null) {
  signIn()
} else {
  const { orders, of } = await (await client.fetch('/api/orders')).json()
  document.querySelector('#orders').textContent = `${location.pathname}: ${orders.join(', ')}, of ${of}`
  document.querySelector('#sign-out').addEventListener('click', async () => { await client.signOut() })
}
