// Browsers keep the fragment of an address across redirects, but drop it when they follow a link or a refresh.
// Where no script runs, the page's refresh goes to the same address without the fragment.
const link = document.querySelector('a[data-next]')
if (!link.hash) link.hash = globalThis.location.hash
if (link.dataset.next === 'now') globalThis.location.replace(link.href)
