// Browsers keep the fragment of an address across redirects, but drop it when they follow a link or a refresh, and at an identity provider.
// Where no script runs, the page's refresh goes to the same address without the fragment.
const { hash } = globalThis.location
for (const link of document.querySelectorAll('a[data-next], a[data-login]')) {
  if ('login' in link.dataset) keepInReturn(link)
  else if (link.dataset.next !== 'elsewhere' && !link.hash) link.hash = hash
  if (['now', 'elsewhere'].includes(link.dataset.next)) globalThis.location.replace(link.href)
}

/** Adds the fragment to the address to return to, which the provider never sees. */
function keepInReturn (link) {
  const url = new URL(link.href)
  const returnTo = url.searchParams.get('return_to')
  if (hash === '' || returnTo === null || returnTo.includes('#')) return
  url.searchParams.set('return_to', returnTo + hash)
  link.href = url.href
}
