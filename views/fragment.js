// Sooner than the refresh of the page, which stands for this where no script runs.
// Browsers keep the fragment of a page's address across redirects, but neither a link nor a refresh takes it along.
const link = document.querySelector('a[data-next]')
if (!link.hash) link.hash = globalThis.location.hash
if (link.dataset.next === 'now') globalThis.location.replace(link.href)
