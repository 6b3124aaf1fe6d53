// The back-forward cache restores the page as it was; the user may have signed out since.
globalThis.addEventListener('pageshow', event => {
  if (!event.persisted) return
  document.documentElement.hidden = true
  globalThis.location.reload()
})
